-- Profile and preferences are made for all accounts of a statement at once: an import of thousands takes half the time,
-- a sign-up takes what it took.

-- Definer: the server's role may not write profiles itself. No exception handler: a profile that cannot be made
-- fails the sign-up, instead of leaving an account without one.
create function auth.make_profiles() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into public.user_profiles (id, email, display_name, avatar_url)
    select m.id,
           m.email,
           auth.suggested_display_name(m.raw_user_meta_data, m.email),
           auth.suggested_avatar_url(m.raw_user_meta_data)
      from made m;
    insert into public.user_preferences (id) select m.id from made m;
    update public.user_preferences p
       set interface = jsonb_set(p.interface, '{preferred_language}', to_jsonb(m.locale))
      from made m
     where p.id = m.id and m.locale is not null;
    return null;
end
$$;

drop trigger users_make_profile on auth.users;
drop function auth.make_profile();

create trigger users_make_profiles after insert on auth.users
    referencing new table as made for each statement execute function auth.make_profiles();
