-- auth.idempotency_keys: the server's own.

alter table auth.idempotency_keys enable row level security;
alter table auth.idempotency_keys force row level security;

grant select, insert, delete on auth.idempotency_keys to doorcode_server;

drop policy if exists server on auth.idempotency_keys;
create policy server on auth.idempotency_keys to doorcode_server using (true) with check (true);

drop policy if exists owner on auth.idempotency_keys;
create policy owner on auth.idempotency_keys to current_user using (true) with check (true);
