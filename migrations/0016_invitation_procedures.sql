-- What the holder of an invitation's token may do with it. They present the SHA-256 of the token, and act for the
-- account they are signed in with, on either kind of site: accepting grants only what was offered.
-- Errors: DC002 illegal_state with the reason as detail, DC004 not_found.

-- Where a request came from, as the server that runs the statement says.
create function auth.request_ip() returns inet
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return nullif(current_setting('request.ip', true), '')::inet;
end
$$;

create function auth.request_user_agent() returns text
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return left(nullif(current_setting('request.user_agent', true), ''), 512);
end
$$;

-- What an invitation looks like to whoever holds its token: nothing, if it is unknown or its library is not active.
create function public.find_invitation(token_hash bytea) returns table (
    library_name text,
    library_code text,
    kind text,
    role text,
    inviter_name text,
    email text,
    personal_message text,
    status text,
    expires_at timestamptz
)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    select l.name, l.code, i.kind, i.role, p.display_name, i.email, i.personal_message,
           case when i.status = 'pending' and i.expires_at <= now() then 'expired' else i.status end, i.expires_at
      from public.library_invitations i
      join public.libraries l on l.id = i.library_id and l.status = 'active'
      left join public.library_staff s on s.id = i.inviter_id
      left join public.user_profiles p on p.id = s.user_id
     where i.token_hash = find_invitation.token_hash;
end
$$;

-- Finds and locks a pending invitation of the caller. The address compared is the account's, which was proven; the
-- profile has a copy that proves nothing. Somebody else's invitation is as absent as an unknown one.
create function auth.lock_invitation(token_hash bytea) returns public.library_invitations
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    offer public.library_invitations;
begin
    select i.* into offer
      from public.library_invitations i
      join public.libraries l on l.id = i.library_id and l.status = 'active'
      join auth.users u on u.email = i.email and u.email_confirmed_at is not null
     where i.token_hash = lock_invitation.token_hash and u.id = auth.uid()
       for update of i;
    if offer.id is null then
        raise exception using errcode = 'DC004', message = 'not_found';
    end if;
    if offer.status = 'pending' and offer.expires_at <= now() then
        offer.status := 'expired';
    end if;
    if offer.status <> 'pending' then
        raise exception using errcode = 'DC002', message = 'illegal_state', detail = offer.status;
    end if;
    return offer;
end
$$;

-- Links the caller's account to the card that the library has registered for their address.
create function auth.link_member(offer public.library_invitations) returns uuid
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    linked uuid;
begin
    if exists (
        select from public.library_members m
         where m.library_id = offer.library_id and m.user_id = auth.uid() and not m.is_deleted
    ) then
        raise exception using errcode = 'DC002', message = 'illegal_state', detail = 'already_member';
    end if;
    update public.library_members m set user_id = auth.uid()
     where m.library_id = offer.library_id and lower(m.personal_info ->> 'email') = offer.email
       and m.user_id is null and not m.is_deleted
    returning m.id into linked;
    if linked is null then
        raise exception using errcode = 'DC002', message = 'illegal_state', detail = 'no_member_record';
    end if;
    return linked;
end
$$;

create function public.accept_invitation(token_hash bytea) returns table (
    library_id uuid,
    library_code text,
    kind text,
    role text,
    staff_id uuid,
    member_id uuid
)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    offer public.library_invitations := auth.lock_invitation(accept_invitation.token_hash);
    hired uuid;
    linked uuid;
begin
    if offer.kind = 'library_staff' then
        hired := auth.hire(auth.uid(), offer.library_id, offer.role);
    else
        linked := auth.link_member(offer);
    end if;
    update public.library_invitations i set status = 'accepted' where i.id = offer.id;
    insert into public.library_invitation_responses
           (invitation_id, responder_id, response, ip, user_agent, staff_id, member_id)
    values (offer.id, auth.uid(), 'accepted', auth.request_ip(), auth.request_user_agent(), hired, linked);
    return query
    select l.id, l.code, offer.kind, offer.role, hired, linked
      from public.libraries l where l.id = offer.library_id;
end
$$;

create function public.decline_invitation(token_hash bytea, notes text default null) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    offer public.library_invitations := auth.lock_invitation(decline_invitation.token_hash);
begin
    update public.library_invitations i set status = 'declined' where i.id = offer.id;
    insert into public.library_invitation_responses (invitation_id, responder_id, response, ip, user_agent, notes)
    values (offer.id, auth.uid(), 'declined', auth.request_ip(), auth.request_user_agent(), decline_invitation.notes);
end
$$;

-- Ends what has run out, at most ten thousand at once. An invitation that has run out cannot be accepted in any case.
create function auth.expire_invitations() returns integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    ended integer;
begin
    update public.library_invitations i set status = 'expired'
     where i.id in (
         select o.id from public.library_invitations o
          where o.status = 'pending' and o.expires_at <= now()
          limit 10000 for update skip locked
     );
    get diagnostics ended = row_count;
    return ended;
end
$$;
