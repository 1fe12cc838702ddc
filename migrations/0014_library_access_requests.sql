-- A person without a staff record asks a library for one; an owner or a manager decides.
--
--     pending ─┬─ approved   (decided: who, when, the role granted)
--              ├─ declined   (decided: who, when)
--              └─ withdrawn  (by the person)

create table public.library_access_requests (
    id uuid primary key default gen_random_uuid(),
    library_id uuid not null references public.libraries (id) on delete cascade,
    user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
    message text,
    status text not null default 'pending',
    decided_by uuid references public.library_staff (id) on delete set null,
    decided_at timestamptz,
    decision_note text,
    granted_role text,
    version integer not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint library_access_requests_message_length check (char_length(message) between 1 and 1000),
    constraint library_access_requests_status_known check (status in ('pending', 'approved', 'declined', 'withdrawn')),
    constraint library_access_requests_decided_when check (
        (status in ('approved', 'declined')) = (decided_at is not null)),
    constraint library_access_requests_decided_by_whom check (decided_at is not null or decided_by is null),
    constraint library_access_requests_decision_note_length check (char_length(decision_note) between 1 and 1000),
    constraint library_access_requests_decision_note_decided check (decided_at is not null or decision_note is null),
    constraint library_access_requests_granted_role_known check (
        granted_role in ('owner', 'manager', 'librarian', 'volunteer')),
    constraint library_access_requests_granted_role_approved check (
        (status = 'approved') = (granted_role is not null))
);

create unique index library_access_requests_pending_key
    on public.library_access_requests (library_id, user_id) where status = 'pending';
create index library_access_requests_library_id_idx
    on public.library_access_requests (library_id, created_at desc);
create index library_access_requests_user_id_idx on public.library_access_requests (user_id);
create index library_access_requests_decided_by_idx
    on public.library_access_requests (decided_by) where decided_by is not null;

create trigger library_access_requests_keep_columns
    before update of id, library_id, user_id, created_at on public.library_access_requests
    for each row execute function auth.keep_columns('id', 'library_id', 'user_id', 'created_at');
create trigger library_access_requests_keep_status before update of status on public.library_access_requests
    for each row when (old.status <> 'pending') execute function auth.keep_status();
create trigger library_access_requests_touch_version before update on public.library_access_requests
    for each row execute function auth.touch_version();

-- An inactive library is as absent as an unknown one, and staff have no access to ask for.
create function auth.check_access_request() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from public.libraries l where l.id = new.library_id and l.status = 'active') then
        raise exception using errcode = 'DC004', message = 'not_found';
    end if;
    if exists (
        select from public.library_staff s
         where s.library_id = new.library_id and s.user_id = new.user_id and s.status = 'active' and not s.is_deleted
    ) then
        raise exception using errcode = 'DC002', message = 'illegal_state', detail = 'already_staff';
    end if;
    return new;
end
$$;

create trigger library_access_requests_check before insert on public.library_access_requests
    for each row execute function auth.check_access_request();
