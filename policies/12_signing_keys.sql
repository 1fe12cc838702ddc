-- auth.signing_keys: the sign-in server makes keys and moves their state; the private part is wrapped in any case.

alter table auth.signing_keys enable row level security;
alter table auth.signing_keys force row level security;

grant select, insert on auth.signing_keys to doorcode_server;
grant update (state) on auth.signing_keys to doorcode_server;

drop policy if exists server on auth.signing_keys;
create policy server on auth.signing_keys to doorcode_server using (true) with check (true);

drop policy if exists owner on auth.signing_keys;
create policy owner on auth.signing_keys to current_user using (true) with check (true);
