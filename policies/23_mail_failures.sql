-- auth.mail_failures: the server's own.

alter table auth.mail_failures enable row level security;
alter table auth.mail_failures force row level security;

grant select, insert, delete on auth.mail_failures to doorcode_server;

drop policy if exists server on auth.mail_failures;
create policy server on auth.mail_failures to doorcode_server using (true) with check (true);

drop policy if exists owner on auth.mail_failures;
create policy owner on auth.mail_failures to current_user using (true) with check (true);
