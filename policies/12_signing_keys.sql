-- auth.signing_keys: the sign-in server makes keys and moves their state. The private part is wrapped in any case, and
-- only the owner of the table may wrap it anew: a server that is broken into can neither swap keys nor lose them.

alter table auth.signing_keys enable row level security;
alter table auth.signing_keys force row level security;

grant select, insert on auth.signing_keys to doorcode_server;
grant update (state, activated_at, promote_at, retired_at, drop_at, gone_at, token_life_secs)
    on auth.signing_keys to doorcode_server;

drop policy if exists server on auth.signing_keys;
create policy server on auth.signing_keys to doorcode_server using (true) with check (true);

drop policy if exists owner on auth.signing_keys;
create policy owner on auth.signing_keys to current_user using (true) with check (true);
