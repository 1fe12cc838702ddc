-- auth.wrong_guesses: the server's own.

alter table auth.wrong_guesses enable row level security;
alter table auth.wrong_guesses force row level security;

grant select, insert, delete on auth.wrong_guesses to doorcode_server;

drop policy if exists server on auth.wrong_guesses;
create policy server on auth.wrong_guesses to doorcode_server using (true) with check (true);

drop policy if exists owner on auth.wrong_guesses;
create policy owner on auth.wrong_guesses to current_user using (true) with check (true);
