-- public.library_invitation_responses: append-only, and only procedures and triggers append. Read by staff of the
-- library, who include the inviter, and by whoever responded.

alter table public.library_invitation_responses enable row level security;
alter table public.library_invitation_responses force row level security;

revoke all on public.library_invitation_responses from public, anon, authenticated, service_role, doorcode_server;
grant select on public.library_invitation_responses to authenticated, service_role;

drop policy if exists own_read on public.library_invitation_responses;
create policy own_read on public.library_invitation_responses for select to authenticated
    using (responder_id = (select auth.uid()));

-- Under the policies of library_invitations: who sees the invitation sees how it ended.
drop policy if exists staff_read on public.library_invitation_responses;
create policy staff_read on public.library_invitation_responses for select to authenticated
    using (exists (select from public.library_invitations i where i.id = invitation_id));

drop policy if exists service on public.library_invitation_responses;
create policy service on public.library_invitation_responses for select to service_role using (true);

drop policy if exists owner on public.library_invitation_responses;
create policy owner on public.library_invitation_responses to current_user using (true) with check (true);
