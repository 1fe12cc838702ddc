-- One row a person. It appears in the statement that opens the first session, never before the mailbox is proven.

create table auth.users (
    id uuid primary key,
    email text not null,
    email_confirmed_at timestamptz,
    -- Written by the person; grants nothing.
    raw_user_meta_data jsonb not null default '{}',
    -- Written by the server alone.
    raw_app_meta_data jsonb not null default '{"provider": "email", "providers": ["email"]}',
    -- Language of the request that made the account; null where it named none we have.
    locale text,
    banned_until timestamptz,
    last_sign_in_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint users_email_key unique (email),
    -- The server stores one canonical form; this catches whoever writes around it.
    constraint users_email_canonical check (email = lower(email) and octet_length(email) between 3 and 254),
    constraint users_user_meta_data_object check (jsonb_typeof(raw_user_meta_data) = 'object'),
    constraint users_app_meta_data_object check (jsonb_typeof(raw_app_meta_data) = 'object')
);

create trigger users_touch_updated_at before update on auth.users
    for each row execute function auth.touch_updated_at();
