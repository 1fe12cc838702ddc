-- auth.mail_suppressions: the server's own.

alter table auth.mail_suppressions enable row level security;
alter table auth.mail_suppressions force row level security;

grant select, insert, update, delete on auth.mail_suppressions to doorcode_server;

drop policy if exists server on auth.mail_suppressions;
create policy server on auth.mail_suppressions to doorcode_server using (true) with check (true);

drop policy if exists owner on auth.mail_suppressions;
create policy owner on auth.mail_suppressions to current_user using (true) with check (true);
