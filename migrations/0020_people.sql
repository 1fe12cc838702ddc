-- What people may see of each other.

-- Somebody's public profile: what they show, never their address. No row for one that is not public.
create function public.find_profile(wanted uuid) returns table (
    id uuid,
    display_name text,
    avatar_url text,
    bio text,
    social_links jsonb,
    location jsonb,
    reading_stats jsonb
)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    select p.id, p.display_name, p.avatar_url, p.bio, p.social_links,
           case when f.privacy -> 'location_sharing' = 'true' then p.location end,
           case when f.privacy -> 'reading_activity' = '"public"' then p.reading_stats end
      from public.user_profiles p
      join public.user_preferences f on f.id = p.id
     where p.id = wanted and f.privacy -> 'profile_visibility' = '"public"';
end
$$;

-- The people behind a library's staff records and access requests, for its owners and managers. With the address,
-- which was proven: a name is whatever its bearer likes.
create function public.library_people(library uuid) returns table (
    user_id uuid,
    display_name text,
    avatar_url text,
    email text
)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    if coalesce(auth.staff_role(library), '') not in ('owner', 'manager') then
        return;
    end if;
    return query
    select u.id, p.display_name, p.avatar_url, u.email
      from (select s.user_id from public.library_staff s where s.library_id = library
            union
            select r.user_id from public.library_access_requests r where r.library_id = library) as known
      join auth.users u on u.id = known.user_id
      join public.user_profiles p on p.id = u.id;
end
$$;
