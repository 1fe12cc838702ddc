-- An offer to one mailbox: a staff role, or the account's link to a patron's card. Valid for seven days, for whoever
-- proves that mailbox and holds the token, of which only the hash is here.

create table public.library_invitations (
    id uuid primary key default gen_random_uuid(),
    library_id uuid not null references public.libraries (id) on delete cascade,
    -- Filled in from the caller; null once that record is gone.
    inviter_id uuid references public.library_staff (id) on delete set null,
    email text not null,
    -- Null for a patron.
    role text,
    kind text not null default 'library_staff',
    status text not null default 'pending',
    -- SHA-256 of 256 random bits.
    token_hash bytea not null,
    expires_at timestamptz not null default now() + interval '7 days',
    personal_message text,
    metadata jsonb not null default '{}',
    version integer not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint library_invitations_token_hash_key unique (token_hash),
    constraint library_invitations_token_hash_length check (octet_length(token_hash) = 32),
    constraint library_invitations_email_canonical check (
        email = lower(email) and octet_length(email) between 3 and 254),
    constraint library_invitations_kind_known check (kind in ('library_staff', 'library_member')),
    constraint library_invitations_role_known check (role in ('owner', 'manager', 'librarian', 'volunteer')),
    constraint library_invitations_role_for_staff check ((kind = 'library_staff') = (role is not null)),
    constraint library_invitations_status_known check (
        status in ('pending', 'accepted', 'declined', 'expired', 'cancelled')),
    constraint library_invitations_personal_message_length check (char_length(personal_message) between 1 and 1000),
    constraint library_invitations_metadata_object check (jsonb_typeof(metadata) = 'object'),
    constraint library_invitations_metadata_size check (octet_length(metadata::text) <= 4000)
);

-- Inviting again after an end works.
create unique index library_invitations_pending_key
    on public.library_invitations (library_id, email, kind) where status = 'pending';
create index library_invitations_library_id_idx on public.library_invitations (library_id, created_at desc);
create index library_invitations_inviter_id_idx
    on public.library_invitations (inviter_id) where inviter_id is not null;
create index library_invitations_expires_at_idx on public.library_invitations (expires_at) where status = 'pending';

-- Ends of invitations. Written by the procedures and triggers below, and never changed.
create table public.library_invitation_responses (
    id uuid primary key default gen_random_uuid(),
    invitation_id uuid not null references public.library_invitations (id) on delete cascade,
    -- Null where nobody responded, and once the account is gone.
    responder_id uuid references auth.users (id) on delete set null,
    response text not null,
    ip inet,
    user_agent text,
    notes text,
    -- What was made or linked.
    staff_id uuid references public.library_staff (id) on delete set null,
    member_id uuid references public.library_members (id) on delete set null,
    created_at timestamptz not null default now(),
    -- An invitation ends once.
    constraint library_invitation_responses_invitation_id_key unique (invitation_id),
    constraint library_invitation_responses_response_known check (response in ('accepted', 'declined', 'expired')),
    constraint library_invitation_responses_user_agent_length check (char_length(user_agent) <= 512),
    constraint library_invitation_responses_notes_length check (char_length(notes) between 1 and 1000),
    constraint library_invitation_responses_record check (
        response = 'accepted' or (staff_id is null and member_id is null))
);

create index library_invitation_responses_responder_id_idx
    on public.library_invitation_responses (responder_id) where responder_id is not null;
create index library_invitation_responses_staff_id_idx
    on public.library_invitation_responses (staff_id) where staff_id is not null;
create index library_invitation_responses_member_id_idx
    on public.library_invitation_responses (member_id) where member_id is not null;

create trigger library_invitations_keep_columns
    before update of id, library_id, email, role, kind, token_hash, expires_at, created_at on public.library_invitations
    for each row execute function auth.keep_columns(
        'id', 'library_id', 'email', 'role', 'kind', 'token_hash', 'expires_at', 'created_at');
create trigger library_invitations_keep_status before update of status on public.library_invitations
    for each row when (old.status <> 'pending') execute function auth.keep_status();
create trigger library_invitations_touch_version before update on public.library_invitations
    for each row execute function auth.touch_version();

-- The inviter changes in one way: the record goes, and leaves null.
create function auth.keep_inviter() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if new.inviter_id is not null or exists (select from public.library_staff s where s.id = old.inviter_id) then
        raise exception using errcode = 'DC002', message = 'illegal_state',
            detail = 'inviter_id of library_invitations never changes';
    end if;
    return new;
end
$$;

create trigger library_invitations_keep_inviter before update on public.library_invitations
    for each row when (old.inviter_id is distinct from new.inviter_id) execute function auth.keep_inviter();

-- Names the inviter, and ends an older offer that ran out without anybody noticing, so that it is not in the way.
create function auth.prepare_invitation() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    new.inviter_id := coalesce(new.inviter_id, auth.staff_id(new.library_id));
    update public.library_invitations i set status = 'expired'
     where i.library_id = new.library_id and i.email = new.email and i.kind = new.kind
       and i.status = 'pending' and i.expires_at <= now();
    return new;
end
$$;

create trigger library_invitations_prepare before insert on public.library_invitations
    for each row execute function auth.prepare_invitation();

-- After the insert, hence after its policies: nobody else learns from the answer who is staff.
create function auth.refuse_to_invite_staff() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (
        select from auth.users u
          join public.library_staff s on s.user_id = u.id
         where u.email = new.email and s.library_id = new.library_id and s.status = 'active' and not s.is_deleted
    ) then
        raise exception using errcode = 'DC002', message = 'illegal_state', detail = 'already_staff';
    end if;
    return null;
end
$$;

create trigger library_invitations_refuse_staff after insert on public.library_invitations
    for each row when (new.kind = 'library_staff') execute function auth.refuse_to_invite_staff();

create function auth.note_expiry() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into public.library_invitation_responses (invitation_id, response) values (new.id, 'expired');
    return null;
end
$$;

create trigger library_invitations_note_expiry after update on public.library_invitations
    for each row when (old.status = 'pending' and new.status = 'expired') execute function auth.note_expiry();

-- An offer stands as long as the one who made it: whoever is dismissed or demoted leaves no door behind.
create function auth.withdraw_offers() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    in_force boolean := tg_op = 'UPDATE' and new.status = 'active' and not new.is_deleted;
    same_power boolean := in_force
        and (new.role = 'owner' or (new.role = old.role and new.permissions = old.permissions));
begin
    update public.library_invitations i set status = 'cancelled'
     where i.inviter_id = old.id and i.status = 'pending'
       and not case i.kind when 'library_staff' then same_power else in_force end;
    return old;
end
$$;

create trigger library_staff_withdraw_offers after update of role, permissions, status, is_deleted on public.library_staff
    for each row execute function auth.withdraw_offers();
create trigger library_staff_withdraw_offers_of_the_gone before delete on public.library_staff
    for each row execute function auth.withdraw_offers();
