-- For administrators that come by the auth API's wire.

-- The site that a key speaks for where the host of a request names none. It limits nothing.
alter table auth.service_keys
    add column site text,
    add constraint service_keys_site_length check (char_length(site) between 1 and 64);

-- A change of address that an administrator has begun hangs on no session.
alter table auth.email_changes alter column session_id drop not null;
