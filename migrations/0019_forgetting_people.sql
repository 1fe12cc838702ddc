-- When an account goes, what it did stays on record without saying who. Nothing here refuses a deletion.

-- Before, while a response still knows whose it is.
create function auth.forget_responses() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    update public.library_invitation_responses r set ip = null, user_agent = null where r.responder_id = old.id;
    return old;
end
$$;

create trigger users_forget_responses before delete on auth.users
    for each row execute function auth.forget_responses();

-- Afterwards: triggers fire in order of name and those of foreign keys are called RI_…, so whoever was changing a
-- record of this person has been waited for, and has written what there is to write. Of the details stays only what
-- cannot point back to the person.
create function auth.forget_in_audit() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    update auth.audit_log a
       set actor_id = nullif(a.actor_id, old.id),
           target_id = nullif(a.target_id, old.id),
           session_id = case when a.actor_id = old.id then null else a.session_id end,
           ip = case when a.actor_id = old.id then null else a.ip end,
           details = coalesce((
               select jsonb_object_agg(kept.key, kept.value) from jsonb_each(a.details) as kept
                where kept.key in ('library_id', 'changes', 'scope', 'ended')), '{}')
     where a.actor_id = old.id or a.target_id = old.id;
    return null;
end
$$;

create trigger users_forget_in_audit after delete on auth.users
    for each row execute function auth.forget_in_audit();
