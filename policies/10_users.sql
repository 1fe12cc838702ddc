-- auth.users: the sign-in server alone reads and writes accounts; it deletes one only by auth.delete_account and
-- auth.remove_account.

alter table auth.users enable row level security;
alter table auth.users force row level security;

grant select, insert, update on auth.users to doorcode_server;
grant select on auth.users to service_role;

drop policy if exists server on auth.users;
create policy server on auth.users to doorcode_server using (true) with check (true);

drop policy if exists service on auth.users;
create policy service on auth.users for select to service_role using (true);

-- Force binds the owner too; maintenance, and the triggers that run as owner, say so here instead of by accident.
drop policy if exists owner on auth.users;
create policy owner on auth.users to current_user using (true) with check (true);

grant execute on function auth.personal_data(uuid) to doorcode_server;
grant execute on function auth.delete_account(uuid, uuid, text, inet) to doorcode_server;
grant execute on function auth.remove_account(uuid, integer, boolean, text, uuid, inet, text) to doorcode_server;
grant execute on function auth.find_accounts(uuid, text, text, timestamptz, timestamptz, boolean, uuid, bigint)
    to doorcode_server;
