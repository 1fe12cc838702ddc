-- What administrators see of an account and change on it.

alter table auth.users
    -- Moves with every change but a sign-in; a change says which one it was made on.
    add column version integer not null default 1,
    -- When somebody was last invited to the account; null where its owner came by themselves.
    add column invited_at timestamptz,
    -- Set where only a husk is left, so that records which name the account keep their meaning.
    add column deleted_at timestamptz;

create function auth.touch_account_version() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    new.version := old.version + 1;
    return new;
end
$$;

create trigger users_touch_version before update on auth.users
    for each row when (
        (old.email, old.email_confirmed_at, old.raw_user_meta_data, old.raw_app_meta_data, old.banned_until,
            old.invited_at, old.deleted_at)
        is distinct from
        (new.email, new.email_confirmed_at, new.raw_user_meta_data, new.raw_app_meta_data, new.banned_until,
            new.invited_at, new.deleted_at)
    ) execute function auth.touch_account_version();

-- For auth.find_accounts. The unique index on the address compares by the database's collation, which serves no prefix.
create index users_email_prefix_idx on auth.users (email text_pattern_ops);
create index users_created_at_idx on auth.users (created_at desc, id desc);
create index users_last_sign_in_at_idx on auth.users (last_sign_in_at);
create index users_banned_until_idx on auth.users (banned_until) where banned_until is not null;

-- Accounts that meet every condition which is not null: by address where a prefix is asked for, else newest first; after
-- the account `after`.
--
-- The plan is made anew for each call, with its values: so a condition that is null costs nothing, and each of the others
-- can use its index.
create function auth.find_accounts(
    wanted uuid,
    prefix text,
    library text,
    seen_after timestamptz,
    seen_before timestamptz,
    banned boolean,
    after uuid,
    at_most bigint
) returns setof auth.users
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_variable
declare
    -- No address has a DEL, and none has a larger octet.
    prefix_end constant text := prefix || chr(127);
    after_email text;
    after_created_at timestamptz;
begin
    if after is not null then
        select u.email, u.created_at into after_email, after_created_at from auth.users u where u.id = after;
        if not found then
            return;
        end if;
    end if;
    if prefix is not null then
        return query
        select u.* from auth.users u
         where u.email ~>=~ prefix and u.email ~<~ prefix_end
           and (after is null or u.email ~>~ after_email)
           and (wanted is null or u.id = wanted)
           and (library is null or exists (
                   select from public.library_staff s join public.libraries l on l.id = s.library_id
                    where s.user_id = u.id and l.code = library and not s.is_deleted))
           and (seen_after is null or u.last_sign_in_at >= seen_after)
           and (seen_before is null or u.last_sign_in_at < seen_before)
           and (banned is null or coalesce(u.banned_until > now(), false) = banned)
         order by u.email using ~<~ limit at_most;
    elsif library is not null then
        -- Few people: all of them first, or the planner goes through accounts until it has met enough of them.
        return query
        with staff as materialized (
            select u.* from auth.users u
             where u.id in (
                   select s.user_id from public.library_staff s join public.libraries l on l.id = s.library_id
                    where l.code = library and not s.is_deleted)
        )
        select u.* from staff u
         where (after is null or (u.created_at, u.id) < (after_created_at, after))
           and (wanted is null or u.id = wanted)
           and (seen_after is null or u.last_sign_in_at >= seen_after)
           and (seen_before is null or u.last_sign_in_at < seen_before)
           and (banned is null or coalesce(u.banned_until > now(), false) = banned)
         order by u.created_at desc, u.id desc limit at_most;
    else
        return query
        select u.* from auth.users u
         where (after is null or (u.created_at, u.id) < (after_created_at, after))
           and (wanted is null or u.id = wanted)
           and (seen_after is null or u.last_sign_in_at >= seen_after)
           and (seen_before is null or u.last_sign_in_at < seen_before)
           and (banned is not true or u.banned_until > now())
           and (banned is not false or coalesce(u.banned_until <= now(), true))
         order by u.created_at desc, u.id desc limit at_most;
    end if;
end
$$;

revoke all on function auth.find_accounts(uuid, text, text, timestamptz, timestamptz, boolean, uuid, bigint) from public;

-- An administrator deletes an account: whole, or down to a husk that keeps its id. The server may delete no account but
-- by this function and auth.delete_account.
--
-- Unlike a person who deletes their own account, an administrator must not leave a library without an active owner.
create function auth.remove_account(
    person uuid,
    wanted_version integer,
    leave_husk boolean,
    actor_kind text,
    actor_id uuid,
    from_ip inet,
    agent text
) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    present integer;
begin
    select u.version into present from auth.users u where u.id = person for update;
    if not found then
        return false;
    end if;
    if wanted_version <> present then
        raise exception using errcode = 'DC003', message = 'stale_version';
    end if;
    -- As in auth.keep_an_owner: whoever changes the owners of one of these libraries waits here.
    perform from public.libraries l
      where l.id in (
            select s.library_id from public.library_staff s
             where s.user_id = person and s.role = 'owner' and s.status = 'active' and not s.is_deleted)
      order by l.id for no key update;
    perform from public.library_staff s
      where s.user_id = person and s.role = 'owner' and s.status = 'active' and not s.is_deleted
        and not exists (
            select from public.library_staff o
             where o.library_id = s.library_id and o.user_id <> person
               and o.role = 'owner' and o.status = 'active' and not o.is_deleted);
    if found then
        raise exception using errcode = 'DC001', message = 'last_owner';
    end if;
    -- What the triggers of the staff records write names the administrator.
    perform set_config('request.jwt.claims',
        jsonb_build_object('actor_kind', actor_kind, 'actor_id', actor_id)::text, true);
    insert into auth.audit_log (actor_kind, actor_id, action, target_id, ip, agent, details)
    values (actor_kind, actor_id, 'user_removed', person, from_ip, left(agent, 256),
        jsonb_build_object('husk', leave_husk));
    if not leave_husk then
        delete from auth.users u where u.id = person;
        return true;
    end if;
    delete from auth.sessions s where s.user_id = person;
    delete from auth.email_changes c where c.user_id = person;
    update public.library_staff s set is_deleted = true where s.user_id = person and not s.is_deleted;
    update auth.users u
       set email = person || '@deleted.invalid', email_confirmed_at = null, raw_user_meta_data = '{}',
           raw_app_meta_data = '{}', banned_until = null, deleted_at = coalesce(u.deleted_at, now())
     where u.id = person;
    update public.user_profiles p
       set display_name = null, avatar_url = null, bio = null, location = default, social_links = default,
           reading_stats = default
     where p.id = person;
    update public.library_invitation_responses r set ip = null, user_agent = null where r.responder_id = person;
    return true;
end
$$;

revoke all on function auth.remove_account(uuid, integer, boolean, text, uuid, inet, text) from public;
