-- Mails that did not leave, or not at the first try. What the mail server said is not kept, as it may quote the address:
-- only of which kind it was.

create table auth.mail_failures (
    id uuid primary key default gen_random_uuid(),
    site text not null,
    -- What the mail was about.
    mail text not null,
    reason text not null,
    -- The address, by its keyed hash and its domain.
    address_tag bytea not null,
    domain text not null,
    -- Its place in the outbox; null for a code's mail, which dies with its code.
    mail_id uuid,
    -- Of a mail that was given up: what to write, as it was in the outbox, so that it can be tried again.
    sealed bytea,
    created_at timestamptz not null default now(),
    constraint mail_failures_reason_known
        check (reason in ('deferred', 'refused', 'bounced', 'expired', 'suppressed')),
    constraint mail_failures_tag_length check (octet_length(address_tag) = 16)
);

create index mail_failures_created_at_idx on auth.mail_failures (created_at desc, id desc);
create index mail_failures_mail_id_idx on auth.mail_failures (mail_id) where mail_id is not null;
