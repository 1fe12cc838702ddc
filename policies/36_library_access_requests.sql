-- public.library_access_requests: asked and withdrawn by a person on a management site, seen by them and by owners and
-- managers of the library, decided by public.decide_access_request, or by an administrator of the server.

alter table public.library_access_requests enable row level security;
alter table public.library_access_requests force row level security;

revoke all on public.library_access_requests from public, anon, authenticated, service_role, doorcode_server, doorcode_admin;
grant select on public.library_access_requests to authenticated;
grant insert (id, library_id, message) on public.library_access_requests to authenticated;
grant update (status) on public.library_access_requests to authenticated;
grant select, insert, update, delete on public.library_access_requests to service_role;
grant select, update (status, decided_at, decision_note, granted_role)
    on public.library_access_requests to doorcode_admin;

drop policy if exists own_read on public.library_access_requests;
create policy own_read on public.library_access_requests for select to authenticated
    using (user_id = (select auth.uid()));

drop policy if exists leaders_read on public.library_access_requests;
create policy leaders_read on public.library_access_requests for select to authenticated
    using (
        library_id = any (array(select auth.staff_library_ids()))
        and auth.staff_role(library_id) in ('owner', 'manager')
    );

drop policy if exists ask on public.library_access_requests;
create policy ask on public.library_access_requests for insert to authenticated
    with check (
        user_id = (select auth.uid()) and (select auth.site_kind()) = 'management' and status = 'pending'
    );

drop policy if exists withdraw on public.library_access_requests;
create policy withdraw on public.library_access_requests for update to authenticated
    using (user_id = (select auth.uid()) and (select auth.site_kind()) = 'management')
    with check (
        user_id = (select auth.uid()) and (select auth.site_kind()) = 'management' and status = 'withdrawn'
    );

drop policy if exists service on public.library_access_requests;
create policy service on public.library_access_requests to service_role using (true) with check (true);

drop policy if exists admin_reads on public.library_access_requests;
create policy admin_reads on public.library_access_requests for select to doorcode_admin
    using (current_user = 'doorcode_admin');

drop policy if exists admin_changes on public.library_access_requests;
create policy admin_changes on public.library_access_requests for update to doorcode_admin
    using (current_user = 'doorcode_admin') with check (current_user = 'doorcode_admin');

drop policy if exists owner on public.library_access_requests;
create policy owner on public.library_access_requests to current_user using (true) with check (true);

revoke all on function public.decide_access_request(uuid, boolean, text, text, integer)
    from public, anon, authenticated, service_role, doorcode_server;
grant execute on function public.decide_access_request(uuid, boolean, text, text, integer) to authenticated;
grant execute on function auth.access_request_deciders(uuid) to doorcode_server;
