-- Who acted is not always an account: service keys, the command line and the server itself act too. And with what.

alter table auth.audit_log
    add column actor_kind text not null default 'user',
    add column agent text,
    add constraint audit_log_actor_kind_known
        check (actor_kind in ('user', 'service_key', 'service_role', 'operator', 'system')),
    add constraint audit_log_agent_length check (char_length(agent) <= 256);

-- An administrator acts without an account: `actor_kind` and `actor_id` in the claims name them.
create or replace function auth.record(action text, target uuid, details jsonb) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into auth.audit_log (actor_kind, actor_id, action, target_id, session_id, site, ip, agent, details)
    values (
        coalesce(auth.jwt() ->> 'actor_kind', 'user'),
        coalesce(
            -- An account that is just being deleted, and its records with it, does not come back as a name.
            (select u.id from auth.users u where u.id = auth.uid()),
            nullif(auth.jwt() ->> 'actor_id', '')::uuid
        ),
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
