-- public.library_members: read by their user and by all staff of the library, written by staff who manage members.
-- Removal is a mark, and linking a card to an account takes the account's consent: neither is a plain write.

alter table public.library_members enable row level security;
alter table public.library_members force row level security;

revoke all on public.library_members from public, anon, authenticated, service_role, doorcode_server;
grant select on public.library_members to authenticated;
grant insert (id, library_id, member_id, personal_info, membership_info, status) on public.library_members to authenticated;
grant update (member_id, personal_info, membership_info, status, is_deleted) on public.library_members to authenticated;
grant select, insert, update, delete on public.library_members to service_role;

drop policy if exists own_read on public.library_members;
create policy own_read on public.library_members for select to authenticated
    using (user_id = (select auth.uid()));

drop policy if exists staff_read on public.library_members;
create policy staff_read on public.library_members for select to authenticated
    using (library_id = any (array(select auth.staff_library_ids())));

drop policy if exists staff_add on public.library_members;
create policy staff_add on public.library_members for insert to authenticated
    with check (auth.has_permission(library_id, 'manage_members') and user_id is null);

drop policy if exists staff_write on public.library_members;
create policy staff_write on public.library_members for update to authenticated
    using (library_id = any (array(select auth.staff_library_ids())) and auth.has_permission(library_id, 'manage_members'))
    with check (auth.has_permission(library_id, 'manage_members'));

drop policy if exists service on public.library_members;
create policy service on public.library_members to service_role using (true) with check (true);

drop policy if exists owner on public.library_members;
create policy owner on public.library_members to current_user using (true) with check (true);
