-- Mails that belong to a change in the database: queued in the same transaction, so that none is sent for a change that
-- was not made, and none is lost for one that was. Sign-in codes do not pass here; they live and die in the code store.

create table auth.mail_outbox (
    id uuid primary key default gen_random_uuid(),
    -- Encrypted under the master secret: what to write, and for invitations the link's token.
    sealed bytea not null,
    -- Not before; a worker that takes a mail moves this ahead, so that another takes over if it dies.
    due_at timestamptz not null default now(),
    attempts integer not null default 0,
    created_at timestamptz not null default now()
);

create index mail_outbox_due_at_idx on auth.mail_outbox (due_at);
