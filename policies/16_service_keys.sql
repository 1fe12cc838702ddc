-- auth.service_keys: the server makes keys and revokes them; none is ever removed or rewritten.

alter table auth.service_keys enable row level security;
alter table auth.service_keys force row level security;

grant select, insert on auth.service_keys to doorcode_server;
grant update (revoked_at, last_used_at) on auth.service_keys to doorcode_server;

drop policy if exists server on auth.service_keys;
create policy server on auth.service_keys to doorcode_server using (true) with check (true);

drop policy if exists owner on auth.service_keys;
create policy owner on auth.service_keys to current_user using (true) with check (true);
