-- What a person changes of their profile and preferences is on record by the names of its fields, not by their values.

create function auth.audit_fields() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    before constant jsonb := to_jsonb(old);
    after constant jsonb := to_jsonb(new);
    fields jsonb;
begin
    -- Without claims it is the server that keeps a profile in step with an account, whose change is on record itself.
    if auth.role() is null then
        return null;
    end if;
    select jsonb_agg(changed.key order by changed.key) into fields
      from jsonb_each(after) as changed
     where changed.key not in ('version', 'updated_at')
       and changed.value is distinct from before -> changed.key;
    if fields is not null then
        perform auth.record(tg_argv[0] || '_changed', new.id, jsonb_build_object('fields', fields));
    end if;
    return null;
end
$$;

create trigger user_profiles_audit after update on public.user_profiles
    for each row execute function auth.audit_fields('profile');
create trigger user_preferences_audit after update on public.user_preferences
    for each row execute function auth.audit_fields('preferences');
