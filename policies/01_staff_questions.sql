-- The questions that policies and applications ask about the caller. They answer about the bearer of the token alone.

grant execute on function
    auth.staff_role(uuid), auth.staff_id(uuid), auth.staff_library_ids(), auth.owned_library_ids(),
    auth.has_permission(uuid, text), auth.has_catalog_power(), auth.may_grant_role(uuid, text), auth.my_permissions()
    to authenticated, service_role;

-- The server asks on behalf of whoever stands at the gate, with that person's claims.
grant execute on function auth.my_permissions() to doorcode_server;
