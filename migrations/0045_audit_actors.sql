-- What kind of actor did it, and with which client: since programs and administrators act beside people.

alter table auth.audit_log
    add column actor_kind text not null default 'user'
        constraint audit_log_actor_kind_known
            check (actor_kind in ('user', 'service_key', 'service_role', 'operator', 'system')),
    add column agent text
        constraint audit_log_agent_length check (char_length(agent) <= 256);

-- As before, with the client.
create or replace function auth.record(action text, target uuid, details jsonb) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into auth.audit_log (actor_id, actor_kind, action, target_id, session_id, site, ip, agent, details)
    values (
        -- An account that is just being deleted, and its records with it, does not come back as a name.
        (select u.id from auth.users u where u.id = auth.uid()),
        case when auth.role() = 'service_role' then 'service_role' else 'user' end,
        record.action,
        record.target,
        nullif(auth.jwt() ->> 'session_id', '')::uuid,
        auth.jwt() ->> 'site',
        auth.request_ip(),
        left(auth.request_user_agent(), 256),
        record.details
    );
end
$$;

-- As before, and the client is forgotten with the address it came from.
create or replace function auth.forget_in_audit() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    update auth.audit_log a
       set actor_id = nullif(a.actor_id, old.id),
           target_id = nullif(a.target_id, old.id),
           session_id = case when a.actor_id = old.id then null else a.session_id end,
           ip = case when a.actor_id = old.id then null else a.ip end,
           agent = case when a.actor_id = old.id then null else a.agent end,
           details = coalesce((
               select jsonb_object_agg(kept.key, kept.value) from jsonb_each(a.details) as kept
                where kept.key in ('library_id', 'changes', 'scope', 'ended')), '{}')
     where a.actor_id = old.id or a.target_id = old.id;
    return null;
end
$$;
