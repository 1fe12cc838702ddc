-- auth.imports: the server's own record of imports; it forgets none.

alter table auth.imports enable row level security;
alter table auth.imports force row level security;

grant select, insert, update on auth.imports to doorcode_server;

drop policy if exists server on auth.imports;
create policy server on auth.imports to doorcode_server using (true) with check (true);

drop policy if exists owner on auth.imports;
create policy owner on auth.imports to current_user using (true) with check (true);
