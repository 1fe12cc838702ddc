-- How far each import of people has come. Written in the transaction of the batch itself, so that an import that was
-- killed goes on where it stopped: nobody is left out and nothing is counted twice.

create table auth.imports (
    id uuid primary key default gen_random_uuid(),
    -- What is read, as a SHA-256: of a file's content, or of a database's place. A file that was edited is another one.
    source bytea not null,
    -- Records read and settled.
    records bigint not null default 0,
    -- Where a database is read on from; a file is read on by its records.
    last_id uuid,
    -- What became of the records, by kind.
    tally jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    finished_at timestamptz,
    constraint imports_source_length check (octet_length(source) = 32),
    constraint imports_records_count check (records >= 0),
    constraint imports_tally_object check (jsonb_typeof(tally) = 'object')
);

-- One at a time of each source.
create unique index imports_unfinished_key on auth.imports (source) where finished_at is null;
