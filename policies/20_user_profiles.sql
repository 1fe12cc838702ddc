-- public.user_profiles: a person reads and writes their own. The address and the statistics are not theirs to write.
-- Others see what public.find_profile shows; administrators see who a staff record is about.

alter table public.user_profiles enable row level security;
alter table public.user_profiles force row level security;

revoke all on public.user_profiles from public, anon, authenticated, service_role, doorcode_server, doorcode_admin;
grant select on public.user_profiles to authenticated;
grant update (display_name, avatar_url, bio, location, social_links) on public.user_profiles to authenticated;
grant select, insert, update, delete on public.user_profiles to service_role;
grant select (id, display_name, email) on public.user_profiles to doorcode_admin;

drop policy if exists own_read on public.user_profiles;
create policy own_read on public.user_profiles for select to authenticated
    using (id = (select auth.uid()));

drop policy if exists own_write on public.user_profiles;
create policy own_write on public.user_profiles for update to authenticated
    using (id = (select auth.uid())) with check (id = (select auth.uid()));

drop policy if exists service on public.user_profiles;
create policy service on public.user_profiles to service_role using (true) with check (true);

drop policy if exists admin_reads on public.user_profiles;
create policy admin_reads on public.user_profiles for select to doorcode_admin
    using (current_user = 'doorcode_admin');

drop policy if exists owner on public.user_profiles;
create policy owner on public.user_profiles to current_user using (true) with check (true);

revoke all on function public.find_profile(uuid) from public, anon, authenticated, service_role, doorcode_server;
grant execute on function public.find_profile(uuid) to anon, authenticated, service_role;
