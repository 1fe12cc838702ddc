-- What a client calls itself is forgotten with the address it came from.

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
