-- What each staff role may do. The only copy of that table: policies/ declares its rows, everything else asks here.

create table public.role_permissions (
    role text not null,
    permission text not null,
    primary key (role, permission),
    constraint role_permissions_role_known check (role in ('owner', 'manager', 'librarian', 'volunteer')),
    constraint role_permissions_permission_known check (permission in (
        'manage_members', 'manage_inventory', 'process_loans', 'manage_staff', 'admin_settings', 'manage_catalog',
        'view_reports'))
);
