-- Addresses that get no mail: because an administrator said so, or for a day because their mail server refused them twice.
-- Named by their keyed hash and their domain, so that the table tells nobody who they are.

create table auth.mail_suppressions (
    -- For lists.
    id uuid not null default gen_random_uuid(),
    address_tag bytea primary key,
    domain text not null,
    -- Null: refusals are counted, and mail goes out.
    reason text,
    note text,
    since timestamptz,
    -- Null: until somebody lifts it.
    ends_at timestamptz,
    last_bounce_at timestamptz,
    created_at timestamptz not null default now(),
    constraint mail_suppressions_id_key unique (id),
    constraint mail_suppressions_tag_length check (octet_length(address_tag) = 16),
    constraint mail_suppressions_domain_length check (char_length(domain) between 1 and 253),
    constraint mail_suppressions_reason_known check (reason in ('administrator', 'bounced')),
    constraint mail_suppressions_reason_since check ((reason is null) = (since is null)),
    constraint mail_suppressions_note_length check (char_length(note) between 1 and 500)
);

create index mail_suppressions_since_idx on auth.mail_suppressions (since desc, id desc) where reason is not null;
