-- Who did what to whom, where and when. Written in the statement of the act itself and never changed afterwards;
-- no reference to auth.users, so that it outlives the account.

create table auth.audit_log (
    id uuid not null default gen_random_uuid(),
    created_at timestamptz not null default now(),
    actor_id uuid,
    action text not null,
    target_id uuid,
    session_id uuid,
    site text,
    ip inet,
    details jsonb not null default '{}',
    primary key (created_at, id)
) partition by range (created_at);

create index audit_log_actor_idx on auth.audit_log (actor_id, created_at desc);

-- Catches what no month covers, so that a missing partition never stops a sign-in.
create table auth.audit_log_default partition of auth.audit_log default;
alter table auth.audit_log_default enable row level security;
alter table auth.audit_log_default force row level security;

-- Makes the partitions of this month and of the months that follow. Safe to repeat; the server calls it daily.
create function auth.prepare_audit_partitions(months_ahead integer default 3) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    first_day date;
    partition text;
begin
    -- Two replicas at midnight: the second waits, then finds the work done.
    perform pg_advisory_xact_lock(hashtext('auth.prepare_audit_partitions'));
    for step in 0..least(greatest(months_ahead, 0), 24) loop
        first_day := (date_trunc('month', now() at time zone 'utc') + make_interval(months => step))::date;
        partition := 'audit_log_' || to_char(first_day, 'YYYY_MM');
        if to_regclass('auth.' || partition) is null then
            execute format(
                'create table auth.%I partition of auth.audit_log for values from (%L) to (%L)',
                partition,
                first_day::timestamp at time zone 'utc',
                (first_day + interval '1 month')::timestamp at time zone 'utc'
            );
            execute format('alter table auth.%I enable row level security', partition);
            execute format('alter table auth.%I force row level security', partition);
        end if;
    end loop;
end
$$;

select auth.prepare_audit_partitions();
