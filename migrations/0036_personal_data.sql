-- Everything that is kept about a person, as one object: what they may ask for (GDPR Art. 15 and 20).
--
-- The server asks on behalf of a session of that person; nobody else may call it. What others wrote about them in
-- their own records (an invitation's note, a decision) is in the records that name them.

create function auth.personal_data(person uuid) returns jsonb
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    select jsonb_build_object(
        'account', (select to_jsonb(u) from auth.users u where u.id = person),
        'profile', (select to_jsonb(p) from public.user_profiles p where p.id = person),
        'preferences', (select to_jsonb(p) from public.user_preferences p where p.id = person),
        -- Without what proves a session or counts its tokens.
        'sessions', (
            select coalesce(jsonb_agg(to_jsonb(s) - array['refresh_counter', 'challenge_id'] order by s.created_at), '[]')
            from auth.sessions s where s.user_id = person),
        'email_change', (select to_jsonb(c) - array['id', 'session_id'] from auth.email_changes c where c.user_id = person),
        'staff_records', (
            select coalesce(jsonb_agg(to_jsonb(s) order by s.created_at), '[]')
            from public.library_staff s where s.user_id = person),
        'memberships', (
            select coalesce(jsonb_agg(to_jsonb(m) order by m.created_at), '[]')
            from public.library_members m where m.user_id = person),
        'access_requests', (
            select coalesce(jsonb_agg(to_jsonb(r) order by r.created_at), '[]')
            from public.library_access_requests r where r.user_id = person),
        'invitation_responses', (
            select coalesce(jsonb_agg(to_jsonb(r) order by r.created_at), '[]')
            from public.library_invitation_responses r where r.responder_id = person),
        'events', (
            select coalesce(jsonb_agg(to_jsonb(a) order by a.created_at), '[]')
            from (select created_at, action, site, host(ip) as ip, details
                  from auth.audit_log where actor_id = person
                  order by created_at desc limit 1000) a)
    )
$$;

revoke all on function auth.personal_data(uuid) from public;
