-- What the platform keeps about a person: made with the account in the same transaction, gone with it.

create table public.user_profiles (
    id uuid primary key references auth.users (id) on delete cascade,
    -- A copy for convenience, kept in step with the account. Not writable by the person.
    email text not null,
    display_name text,
    avatar_url text,
    bio text,
    location jsonb not null default '{"city": null, "country": null, "timezone": null}',
    social_links jsonb not null default '{"website": null, "goodreads": null, "twitter": null, "instagram": null}',
    reading_stats jsonb not null
        default '{"books_read": 0, "reviews_written": 0, "favorite_genres": [], "reading_goal_yearly": null}',
    version integer not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint user_profiles_email_key unique (email),
    constraint user_profiles_display_name_length check (char_length(display_name) between 1 and 64),
    constraint user_profiles_avatar_url_length check (char_length(avatar_url) <= 2048),
    constraint user_profiles_bio_length check (char_length(bio) <= 2000),
    constraint user_profiles_location_object check (jsonb_typeof(location) = 'object'),
    constraint user_profiles_social_links_object check (jsonb_typeof(social_links) = 'object'),
    constraint user_profiles_reading_stats_object check (jsonb_typeof(reading_stats) = 'object')
);

create table public.user_preferences (
    id uuid primary key references auth.users (id) on delete cascade,
    notifications jsonb not null default '{
        "email_enabled": true, "sms_enabled": false, "push_enabled": true,
        "due_date_reminders": true, "new_book_alerts": true, "social_activity": true}',
    privacy jsonb not null default '{
        "profile_visibility": "public", "reading_activity": "public",
        "review_visibility": "public", "location_sharing": false}',
    interface jsonb not null default '{
        "preferred_language": "en", "preferred_country": "US", "theme": "system",
        "books_per_page": 20, "default_view": "grid"}',
    version integer not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint user_preferences_notifications_object check (jsonb_typeof(notifications) = 'object'),
    constraint user_preferences_privacy_object check (jsonb_typeof(privacy) = 'object'),
    constraint user_preferences_interface_object check (jsonb_typeof(interface) = 'object')
);

create trigger user_profiles_touch_version before update on public.user_profiles
    for each row execute function auth.touch_version();
create trigger user_preferences_touch_version before update on public.user_preferences
    for each row execute function auth.touch_version();

-- The name an account suggests: metadata display_name, else full_name, else the address before its @.
-- Bounded and stripped of control characters, since metadata is a stranger's text.
create function auth.suggested_display_name(metadata jsonb, email text) returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
return left(coalesce(
    nullif(btrim(regexp_replace(metadata ->> 'display_name', '[[:cntrl:]]', '', 'g')), ''),
    nullif(btrim(regexp_replace(metadata ->> 'full_name', '[[:cntrl:]]', '', 'g')), ''),
    split_part(email, '@', 1)
), 64);

create function auth.suggested_avatar_url(metadata jsonb) returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
return nullif(left(metadata ->> 'avatar_url', 2048), '');

-- Definer: the server's role may not write profiles itself. No exception handler: a profile that cannot be made
-- fails the sign-up, instead of leaving an account without one.
create function auth.make_profile() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into public.user_profiles (id, email, display_name, avatar_url)
    values (
        new.id,
        new.email,
        auth.suggested_display_name(new.raw_user_meta_data, new.email),
        auth.suggested_avatar_url(new.raw_user_meta_data)
    );
    insert into public.user_preferences (id) values (new.id);
    if new.locale is not null then
        update public.user_preferences
        set interface = jsonb_set(interface, '{preferred_language}', to_jsonb(new.locale))
        where id = new.id;
    end if;
    return new;
end
$$;

-- A name or picture that still is what the account suggested follows the account; one that the person chose stays.
create function auth.keep_profile_in_step() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    old_name text := auth.suggested_display_name(old.raw_user_meta_data, old.email);
    old_avatar text := auth.suggested_avatar_url(old.raw_user_meta_data);
begin
    update public.user_profiles
    set email = new.email,
        display_name = case when display_name is not distinct from old_name
            then auth.suggested_display_name(new.raw_user_meta_data, new.email) else display_name end,
        avatar_url = case when avatar_url is not distinct from old_avatar
            then auth.suggested_avatar_url(new.raw_user_meta_data) else avatar_url end
    where id = new.id;
    return new;
end
$$;

create trigger users_make_profile after insert on auth.users
    for each row execute function auth.make_profile();

create trigger users_keep_profile_in_step after update on auth.users
    for each row when (
        old.email is distinct from new.email or old.raw_user_meta_data is distinct from new.raw_user_meta_data
    ) execute function auth.keep_profile_in_step();
