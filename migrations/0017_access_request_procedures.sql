-- How access requests are decided: by an owner or a manager of the library, who may grant the role.
-- Errors: DC002 illegal_state, DC003 stale_version, DC004 not_found, 42501 for a role that the caller may not grant.

create function public.decide_access_request(
    request uuid,
    approve boolean,
    role text,
    note text,
    version integer
) returns public.library_access_requests
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    target public.library_access_requests;
begin
    select r.* into target from public.library_access_requests r where r.id = decide_access_request.request;
    -- As for staff records: first whether the caller may know of it, then wait, then what they may do.
    if target.id is null or coalesce(auth.staff_role(target.library_id), '') not in ('owner', 'manager') then
        raise exception using errcode = 'DC004', message = 'not_found';
    end if;
    perform from public.libraries l where l.id = target.library_id for no key update;
    -- The account before the request, as its deletion takes them.
    perform from auth.users u where u.id = target.user_id for key share;
    select r.* into target from public.library_access_requests r where r.id = target.id for update;
    if target.id is null or coalesce(auth.staff_role(target.library_id), '') not in ('owner', 'manager') then
        raise exception using errcode = 'DC004', message = 'not_found';
    end if;
    if target.status <> 'pending' then
        raise exception using errcode = 'DC002', message = 'illegal_state', detail = target.status;
    end if;
    if target.version is distinct from decide_access_request.version then
        raise exception using errcode = 'DC003', message = 'stale_version';
    end if;
    if approve is null or approve <> (decide_access_request.role is not null) then
        raise invalid_parameter_value using message = 'role_mismatch',
            detail = 'an approval names the role it grants, a refusal names none';
    end if;
    if approve then
        if not auth.may_grant_role(target.library_id, decide_access_request.role) then
            raise insufficient_privilege using message = 'not_allowed';
        end if;
        perform auth.hire(target.user_id, target.library_id, decide_access_request.role);
    end if;
    update public.library_access_requests r
       set status = case when approve then 'approved' else 'declined' end,
           decided_by = auth.staff_id(r.library_id),
           decided_at = now(),
           decision_note = nullif(decide_access_request.note, ''),
           granted_role = decide_access_request.role
     where r.id = target.id
    returning r.* into target;
    return target;
end
$$;

-- Who hears of a new access request: the server's to write to, nobody's to read.
create function auth.access_request_deciders(library uuid) returns setof uuid
language plpgsql stable security definer rows 5
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select s.user_id from public.library_staff s
     where s.library_id = library and s.role in ('owner', 'manager') and s.status = 'active' and not s.is_deleted;
end
$$;
