-- The tenants. A trusted back end makes them; their owners keep them.

create table public.libraries (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    -- The first segment of a library's URLs and a possible host label, so it reads as one (RFC 1123 §2.1).
    code text not null,
    address jsonb not null default '{}',
    contact_info jsonb not null default '{}',
    settings jsonb not null default '{
        "loan_period_days": 14, "max_renewals": 2, "max_books_per_member": 5, "allow_holds": true,
        "allow_digital": false, "membership_fee": 0, "late_fee_per_day": 0.25}',
    -- Counted by the library platform.
    stats jsonb not null
        default '{"total_books": 0, "total_members": 0, "active_loans": 0, "books_loaned_this_month": 0}',
    status text not null default 'active',
    version integer not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint libraries_code_key unique (code),
    constraint libraries_code_form check (code ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    constraint libraries_name_length check (char_length(name) between 1 and 200),
    constraint libraries_address_object check (jsonb_typeof(address) = 'object'),
    constraint libraries_address_size check (octet_length(address::text) <= 4000),
    constraint libraries_contact_info_object check (jsonb_typeof(contact_info) = 'object'),
    constraint libraries_contact_info_size check (octet_length(contact_info::text) <= 4000),
    constraint libraries_settings_size check (octet_length(settings::text) <= 4000),
    constraint libraries_stats_object check (jsonb_typeof(stats) = 'object'),
    constraint libraries_status_known check (status in ('active', 'inactive', 'pending')),
    -- A constraint a setting, so that the one broken names the field. A missing key or another type is null: refused.
    constraint libraries_settings_loan_period_days check (coalesce(settings @@
        'strict $.loan_period_days >= 1 && $.loan_period_days <= 365
            && $.loan_period_days.floor() == $.loan_period_days', false)),
    constraint libraries_settings_max_renewals check (coalesce(settings @@
        'strict $.max_renewals >= 0 && $.max_renewals <= 100 && $.max_renewals.floor() == $.max_renewals', false)),
    constraint libraries_settings_max_books_per_member check (coalesce(settings @@
        'strict $.max_books_per_member >= 0 && $.max_books_per_member <= 1000
            && $.max_books_per_member.floor() == $.max_books_per_member', false)),
    constraint libraries_settings_allow_holds check (coalesce(settings @@
        'strict $.allow_holds.type() == "boolean"', false)),
    constraint libraries_settings_allow_digital check (coalesce(settings @@
        'strict $.allow_digital.type() == "boolean"', false)),
    -- In the library's own currency; a dong fee has many digits.
    constraint libraries_settings_membership_fee check (coalesce(settings @@
        'strict $.membership_fee >= 0 && $.membership_fee <= 1000000000', false)),
    constraint libraries_settings_late_fee_per_day check (coalesce(settings @@
        'strict $.late_fee_per_day >= 0 && $.late_fee_per_day <= 100000000', false))
);

create trigger libraries_touch_version before update on public.libraries
    for each row execute function auth.touch_version();
