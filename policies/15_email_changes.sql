-- auth.email_changes: the server's own; a person sees their change through it.

alter table auth.email_changes enable row level security;
alter table auth.email_changes force row level security;

grant select, insert, update, delete on auth.email_changes to doorcode_server;

drop policy if exists server on auth.email_changes;
create policy server on auth.email_changes to doorcode_server using (true) with check (true);

drop policy if exists owner on auth.email_changes;
create policy owner on auth.email_changes to current_user using (true) with check (true);
