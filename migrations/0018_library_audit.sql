-- Every change of power is in the audit log, in its own transaction, whoever makes it and by whichever way: triggers
-- write the rows, and nobody is granted what they call.

create index audit_log_target_idx on auth.audit_log (target_id);

create function auth.record(action text, target uuid, details jsonb) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into auth.audit_log (actor_id, action, target_id, session_id, site, ip, details)
    values (
        -- An account that is just being deleted, and its records with it, does not come back as a name.
        (select u.id from auth.users u where u.id = auth.uid()),
        record.action,
        record.target,
        nullif(auth.jwt() ->> 'session_id', '')::uuid,
        auth.jwt() ->> 'site',
        auth.request_ip(),
        record.details
    );
end
$$;

-- audit_change(noun, column of the target, columns to compare …): `noun_added`, `noun_deleted`, `noun_<new status>`
-- or `noun_changed`, with the old and new value of each column that differs.
create function auth.audit_change() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    noun constant text := tg_argv[0];
    before constant jsonb := case when tg_op = 'INSERT' then '{}' else to_jsonb(old) end;
    after constant jsonb := case when tg_op = 'DELETE' then '{}' else to_jsonb(new) end;
    present constant jsonb := case when tg_op = 'DELETE' then before else after end;
    target uuid := present ->> tg_argv[1];
    changes jsonb;
begin
    select jsonb_object_agg(watched, jsonb_build_array(before -> watched, after -> watched)) into changes
      from unnest(tg_argv[2:]) as watched
     where before -> watched is distinct from after -> watched;
    if changes is null then
        return null;
    end if;
    if tg_argv[1] = 'user_id' then
        select u.id into target from auth.users u where u.id = target;
    end if;
    perform auth.record(
        noun || '_' || case
            when tg_op = 'INSERT' then 'added'
            when tg_op = 'DELETE' then 'deleted'
            when before -> 'status' is distinct from after -> 'status' then after ->> 'status'
            else 'changed' end,
        target,
        jsonb_build_object(
            'library_id', coalesce(present -> 'library_id', present -> 'id'), 'record', present -> 'id', 'changes', changes)
    );
    return null;
end
$$;

create trigger libraries_audit after insert or update or delete on public.libraries
    for each row execute function auth.audit_change('library', 'id', 'name', 'code', 'settings', 'status');
create trigger library_staff_audit after insert or update or delete on public.library_staff
    for each row execute function auth.audit_change('staff', 'user_id', 'role', 'permissions', 'status', 'is_deleted');
create trigger library_invitations_audit after insert or update on public.library_invitations
    for each row execute function auth.audit_change('invitation', 'id', 'role', 'kind', 'status');
create trigger library_access_requests_audit after insert or update on public.library_access_requests
    for each row execute function auth.audit_change('access_request', 'user_id', 'status', 'granted_role');
