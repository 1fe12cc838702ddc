-- A person deletes their account. The server may delete no account but by this function, which asks for a session of
-- that very person; what goes with the account and what is forgotten is declared with each table.

create function auth.delete_account(person uuid, own_session uuid, own_site text, from_ip inet) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform from auth.sessions s
      where s.id = own_session and s.user_id = person and s.site = own_site and s.not_after > now();
    if not found then
        return false;
    end if;
    -- Stays, without saying who: the trigger on auth.users blanks it with all the rest.
    insert into auth.audit_log (actor_id, action, target_id, session_id, site, ip)
    values (person, 'user_deleted', person, own_session, own_site, from_ip);
    delete from auth.users u where u.id = person;
    return found;
end
$$;

revoke all on function auth.delete_account(uuid, uuid, text, inet) from public;
