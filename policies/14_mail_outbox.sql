-- auth.mail_outbox: the server's own; nobody else can read or write a mail.

alter table auth.mail_outbox enable row level security;
alter table auth.mail_outbox force row level security;

grant select, insert, update, delete on auth.mail_outbox to doorcode_server;

drop policy if exists server on auth.mail_outbox;
create policy server on auth.mail_outbox to doorcode_server using (true) with check (true);

drop policy if exists owner on auth.mail_outbox;
create policy owner on auth.mail_outbox to current_user using (true) with check (true);
