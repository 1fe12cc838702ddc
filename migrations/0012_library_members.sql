-- A patron's card at one library. It belongs to the library: the account may be missing, and may go.

create table public.library_members (
    id uuid primary key default gen_random_uuid(),
    -- Linked by accepting an invitation, never by staff.
    user_id uuid references auth.users (id) on delete set null,
    library_id uuid not null references public.libraries (id) on delete cascade,
    -- The number on the card.
    member_id text not null,
    personal_info jsonb not null
        default '{"first_name": null, "last_name": null, "email": null, "phone": null, "address": null}',
    membership_info jsonb not null default '{"type": "regular", "fees_owed": 0, "expiry_date": null, "notes": null}',
    -- Counted by the library platform.
    borrowing_stats jsonb not null default '{}',
    status text not null default 'active',
    is_deleted boolean not null default false,
    deleted_at timestamptz,
    deleted_by uuid references public.library_staff (id) on delete set null,
    version integer not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint library_members_member_id_key unique (library_id, member_id),
    constraint library_members_member_id_length check (char_length(member_id) between 1 and 64),
    constraint library_members_personal_info_object check (jsonb_typeof(personal_info) = 'object'),
    constraint library_members_personal_info_size check (octet_length(personal_info::text) <= 4000),
    -- Null or an address; '' would make two walk-ins without one look like the same person.
    constraint library_members_personal_info_email check (
        octet_length(personal_info ->> 'email') between 3 and 254 and position('@' in personal_info ->> 'email') > 1),
    constraint library_members_membership_info_size check (octet_length(membership_info::text) <= 4000),
    constraint library_members_membership_info_type check (
        coalesce(membership_info ->> 'type' in ('regular', 'student', 'senior'), false)),
    constraint library_members_membership_info_fees_owed check (
        coalesce(membership_info @@ 'strict $.fees_owed >= 0', false)),
    constraint library_members_borrowing_stats_object check (jsonb_typeof(borrowing_stats) = 'object'),
    constraint library_members_status_known check (status in ('active', 'inactive', 'banned')),
    constraint library_members_deleted_when check (is_deleted = (deleted_at is not null)),
    constraint library_members_deleted_by_whom check (is_deleted or deleted_by is null)
);

-- One live card a library and address, and a library and account.
create unique index library_members_email_key
    on public.library_members (library_id, lower(personal_info ->> 'email')) where not is_deleted;
create unique index library_members_user_key
    on public.library_members (library_id, user_id) where user_id is not null and not is_deleted;
create index library_members_user_id_idx on public.library_members (user_id) where user_id is not null;
create index library_members_deleted_by_idx on public.library_members (deleted_by) where deleted_by is not null;

create trigger library_members_keep_columns before update of id, library_id, created_at on public.library_members
    for each row execute function auth.keep_columns('id', 'library_id', 'created_at');
create trigger library_members_stamp_removal before update on public.library_members
    for each row when (old.is_deleted is distinct from new.is_deleted) execute function auth.stamp_removal();
create trigger library_members_touch_version before update on public.library_members
    for each row execute function auth.touch_version();
