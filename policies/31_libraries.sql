-- public.libraries: anyone sees the active ones, their owners always. Owners keep and remove them; a trusted back end,
-- or an administrator of the server, makes them. An owner who switches a library off cannot switch it on again: with it
-- their rights are off.

alter table public.libraries enable row level security;
alter table public.libraries force row level security;

revoke all on public.libraries from public, anon, authenticated, service_role, doorcode_server, doorcode_admin;
grant select (id, name, code, address, contact_info, settings, status) on public.libraries to anon;
grant select, delete on public.libraries to authenticated;
grant update (name, address, contact_info, settings, status) on public.libraries to authenticated;
grant select, insert, update, delete on public.libraries to service_role;
grant select, insert (name, code, status), update (name, code, status) on public.libraries to doorcode_admin;

drop policy if exists anyone_reads_active on public.libraries;
create policy anyone_reads_active on public.libraries for select to anon, authenticated
    using (status = 'active');

drop policy if exists owners_read on public.libraries;
create policy owners_read on public.libraries for select to authenticated
    using (id = any (array(select auth.owned_library_ids())));

drop policy if exists owners_write on public.libraries;
create policy owners_write on public.libraries for update to authenticated
    using (auth.has_permission(id, 'admin_settings'))
    with check (auth.has_permission(id, 'admin_settings') and status in ('active', 'inactive'));

drop policy if exists owners_remove on public.libraries;
create policy owners_remove on public.libraries for delete to authenticated
    using (auth.staff_role(id) = 'owner');

drop policy if exists service on public.libraries;
create policy service on public.libraries to service_role using (true) with check (true);

drop policy if exists admin_reads on public.libraries;
create policy admin_reads on public.libraries for select to doorcode_admin
    using (current_user = 'doorcode_admin');

drop policy if exists admin_adds on public.libraries;
create policy admin_adds on public.libraries for insert to doorcode_admin
    with check (current_user = 'doorcode_admin');

drop policy if exists admin_changes on public.libraries;
create policy admin_changes on public.libraries for update to doorcode_admin
    using (current_user = 'doorcode_admin') with check (current_user = 'doorcode_admin');

drop policy if exists owner on public.libraries;
create policy owner on public.libraries to current_user using (true) with check (true);
