-- When an account goes, what it did stays on record without saying who. Nothing here refuses a deletion.

create function auth.forget_person() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    update public.library_invitation_responses r set ip = null, user_agent = null where r.responder_id = old.id;
    -- Of the details only what cannot point back to the person.
    update auth.audit_log a
       set actor_id = nullif(a.actor_id, old.id),
           target_id = nullif(a.target_id, old.id),
           session_id = case when a.actor_id = old.id then null else a.session_id end,
           ip = case when a.actor_id = old.id then null else a.ip end,
           details = coalesce((
               select jsonb_object_agg(kept.key, kept.value) from jsonb_each(a.details) as kept
                where kept.key in ('library_id', 'changes', 'scope', 'ended')), '{}')
     where a.actor_id = old.id or a.target_id = old.id;
    return old;
end
$$;

create trigger users_forget before delete on auth.users
    for each row execute function auth.forget_person();
