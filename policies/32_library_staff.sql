-- public.library_staff: read by the person, and by owners and managers of the library; written by procedures,
-- and by administrators of the server.
--
-- `= any (array(select …))` asks once a statement and lets an index find the rows; the question about the role is
-- then asked of those alone.

alter table public.library_staff enable row level security;
alter table public.library_staff force row level security;

revoke all on public.library_staff from public, anon, authenticated, service_role, doorcode_server, doorcode_admin;
grant select on public.library_staff to authenticated;
grant select, insert, update, delete on public.library_staff to service_role;
grant select, insert (user_id, library_id, role), update (role, status, permissions, is_deleted)
    on public.library_staff to doorcode_admin;

drop policy if exists own_read on public.library_staff;
create policy own_read on public.library_staff for select to authenticated
    using (user_id = (select auth.uid()) and (select auth.site_kind()) = 'management');

drop policy if exists leaders_read on public.library_staff;
create policy leaders_read on public.library_staff for select to authenticated
    using (
        library_id = any (array(select auth.staff_library_ids()))
        and auth.staff_role(library_id) in ('owner', 'manager')
    );

drop policy if exists service on public.library_staff;
create policy service on public.library_staff to service_role using (true) with check (true);

drop policy if exists admin_reads on public.library_staff;
create policy admin_reads on public.library_staff for select to doorcode_admin
    using (current_user = 'doorcode_admin');

drop policy if exists admin_adds on public.library_staff;
create policy admin_adds on public.library_staff for insert to doorcode_admin
    with check (current_user = 'doorcode_admin');

drop policy if exists admin_changes on public.library_staff;
create policy admin_changes on public.library_staff for update to doorcode_admin
    using (current_user = 'doorcode_admin') with check (current_user = 'doorcode_admin');

drop policy if exists owner on public.library_staff;
create policy owner on public.library_staff to current_user using (true) with check (true);

revoke all on function
    public.change_staff(uuid, integer, text, text, jsonb, jsonb), public.remove_staff(uuid, integer),
    public.rehire_staff(uuid, integer, text), public.library_people(uuid)
    from public, anon, authenticated, service_role, doorcode_server;
grant execute on function
    public.change_staff(uuid, integer, text, text, jsonb, jsonb), public.remove_staff(uuid, integer),
    public.rehire_staff(uuid, integer, text), public.library_people(uuid)
    to authenticated;
