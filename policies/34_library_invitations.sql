-- public.library_invitations: seen by staff of the library, never by the invited, who present the token to
-- public.find_invitation instead. Nobody reads the hash of a token. The inviter and the life time are not the
-- caller's to say; what was offered, to whom and where, never changes.

alter table public.library_invitations enable row level security;
alter table public.library_invitations force row level security;

revoke all on public.library_invitations from public, anon, authenticated, service_role, doorcode_server;
grant select (id, library_id, inviter_id, email, role, kind, status, expires_at, personal_message, metadata, version,
        created_at, updated_at)
    on public.library_invitations to authenticated, service_role;
grant insert (id, library_id, email, role, kind, token_hash, personal_message, metadata)
    on public.library_invitations to authenticated;
grant update (status, personal_message) on public.library_invitations to authenticated;
grant insert, update, delete on public.library_invitations to service_role;

drop policy if exists staff_read on public.library_invitations;
create policy staff_read on public.library_invitations for select to authenticated
    using (library_id = any (array(select auth.staff_library_ids())));

drop policy if exists invite_staff on public.library_invitations;
create policy invite_staff on public.library_invitations for insert to authenticated
    with check (
        kind = 'library_staff' and status = 'pending'
        and inviter_id = auth.staff_id(library_id)
        and auth.has_permission(library_id, 'manage_staff') and auth.may_grant_role(library_id, role)
    );

drop policy if exists invite_members on public.library_invitations;
create policy invite_members on public.library_invitations for insert to authenticated
    with check (
        kind = 'library_member' and status = 'pending'
        and inviter_id = auth.staff_id(library_id)
        and auth.has_permission(library_id, 'manage_members')
    );

-- The inviter and owners edit the message and cancel …
drop policy if exists inviters_write on public.library_invitations;
create policy inviters_write on public.library_invitations for update to authenticated
    using (inviter_id = auth.staff_id(library_id) or auth.staff_role(library_id) = 'owner')
    with check (
        (inviter_id = auth.staff_id(library_id) or auth.staff_role(library_id) = 'owner')
        and status in ('pending', 'cancelled')
    );

-- … managers cancel.
drop policy if exists managers_cancel on public.library_invitations;
create policy managers_cancel on public.library_invitations for update to authenticated
    using (auth.staff_role(library_id) = 'manager')
    with check (auth.staff_role(library_id) = 'manager' and status = 'cancelled');

drop policy if exists service on public.library_invitations;
create policy service on public.library_invitations to service_role using (true) with check (true);

drop policy if exists owner on public.library_invitations;
create policy owner on public.library_invitations to current_user using (true) with check (true);

revoke all on function
    public.find_invitation(bytea), public.accept_invitation(bytea), public.decline_invitation(bytea, text)
    from public, anon, authenticated, service_role, doorcode_server;
-- The link in the mail opens a page before anybody has signed in.
grant execute on function public.find_invitation(bytea) to anon, authenticated;
grant execute on function public.accept_invitation(bytea), public.decline_invitation(bytea, text) to authenticated;
grant execute on function auth.expire_invitations() to doorcode_server, service_role;
