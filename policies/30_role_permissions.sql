-- public.role_permissions: what each staff role may do. This is the table; nothing else says it again.
--
--                    owner  manager  librarian  volunteer
-- manage_members       x       x         x
-- manage_inventory     x       x         x
-- process_loans        x       x         x          x
-- manage_staff         x
-- admin_settings       x
-- manage_catalog       x       x         x
-- view_reports         x       x

alter table public.role_permissions enable row level security;
alter table public.role_permissions force row level security;

revoke all on public.role_permissions from public, anon, authenticated, service_role, doorcode_server;
grant select on public.role_permissions to authenticated, service_role;

drop policy if exists anyone_reads on public.role_permissions;
create policy anyone_reads on public.role_permissions for select to authenticated, service_role using (true);

drop policy if exists owner on public.role_permissions;
create policy owner on public.role_permissions to current_user using (true) with check (true);

delete from public.role_permissions;
insert into public.role_permissions (role, permission) values
    ('owner', 'manage_members'),
    ('owner', 'manage_inventory'),
    ('owner', 'process_loans'),
    ('owner', 'manage_staff'),
    ('owner', 'admin_settings'),
    ('owner', 'manage_catalog'),
    ('owner', 'view_reports'),
    ('manager', 'manage_members'),
    ('manager', 'manage_inventory'),
    ('manager', 'process_loans'),
    ('manager', 'manage_catalog'),
    ('manager', 'view_reports'),
    ('librarian', 'manage_members'),
    ('librarian', 'manage_inventory'),
    ('librarian', 'process_loans'),
    ('librarian', 'manage_catalog'),
    ('volunteer', 'process_loans');
