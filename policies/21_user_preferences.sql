-- public.user_preferences: a person reads and writes their own. The server reads the language, to write mails in it.

alter table public.user_preferences enable row level security;
alter table public.user_preferences force row level security;

revoke all on public.user_preferences from public, anon, authenticated, service_role, doorcode_server;
grant select on public.user_preferences to authenticated;
grant update (notifications, privacy, interface) on public.user_preferences to authenticated;
grant select, insert, update, delete on public.user_preferences to service_role;
grant select (id, interface) on public.user_preferences to doorcode_server;
-- The default of a column is a question of whoever inserts.
grant execute on function auth.first_interface(text) to service_role;

drop policy if exists own_read on public.user_preferences;
create policy own_read on public.user_preferences for select to authenticated
    using (id = (select auth.uid()));

drop policy if exists own_write on public.user_preferences;
create policy own_write on public.user_preferences for update to authenticated
    using (id = (select auth.uid())) with check (id = (select auth.uid()));

drop policy if exists server on public.user_preferences;
create policy server on public.user_preferences for select to doorcode_server using (true);

drop policy if exists service on public.user_preferences;
create policy service on public.user_preferences to service_role using (true) with check (true);

drop policy if exists owner on public.user_preferences;
create policy owner on public.user_preferences to current_user using (true) with check (true);
