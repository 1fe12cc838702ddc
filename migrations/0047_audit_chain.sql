-- A chain over the audit log: the server signs every row after the one before it, so that a row that was changed or
-- removed afterwards, by whoever owns the database, does not go unnoticed. Its key is not in the database.
--
-- What is signed is not what a row says about a person, but keyed digests of that, kept in `parts`: so an account can be
-- forgotten, and old network addresses cleared, without breaking the chain, and a digest tells a value that was blanked
-- from one that was replaced.

-- When a row came here. An event of the code store comes later than it happened, and is signed in order of arrival.
alter table auth.audit_log add column arrived_at timestamptz;
update auth.audit_log set arrived_at = created_at;
alter table auth.audit_log
    alter column arrived_at set default clock_timestamp(),
    alter column arrived_at set not null;
alter table auth.audit_log
    add constraint audit_log_details_object check (jsonb_typeof(details) = 'object');
create index audit_log_arrived_at_idx on auth.audit_log (arrived_at);

create table auth.audit_chain (
    -- Without a gap from the last checkpoint on.
    seq bigint primary key,
    event_id uuid not null,
    event_at timestamptz not null,
    -- A digest of 16 bytes for each thing that may be blanked: actor, target, session, ip, agent, lasting details, other
    -- details.
    parts bytea not null,
    -- HMAC-SHA-256 over the link before, and this row.
    link bytea not null,
    constraint audit_chain_event_id_key unique (event_id),
    constraint audit_chain_parts_length check (octet_length(parts) = 112),
    constraint audit_chain_link_length check (octet_length(link) = 32)
);

-- Where the chain begins, once months were dropped: signed as well, so that nobody can begin it later than we did.
create table auth.audit_checkpoints (
    seq bigint primary key,
    -- The link of that number, which is gone.
    link bytea not null,
    -- Rows of events before this are gone, also where their links are not.
    dropped_before timestamptz not null,
    mac bytea not null,
    created_at timestamptz not null default now(),
    constraint audit_checkpoints_link_length check (octet_length(link) = 32),
    constraint audit_checkpoints_mac_length check (octet_length(mac) = 32)
);

-- Of an event's details, what stays when a person in it is forgotten: nothing that could point back to them.
create function auth.audit_lasting(details jsonb) returns jsonb
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
return coalesce((
    select jsonb_object_agg(kept.key, kept.value) from jsonb_each(details) as kept
     where kept.key in ('library_id', 'changes', 'scope', 'ended')), '{}');

-- As before, and it is on record how many names were blanked in which month, so that nobody can pass a blanked row off as
-- a forgotten one. Only rows with a link count: the others are signed as they are now.
create or replace function auth.forget_in_audit() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    months jsonb;
    found_any boolean;
begin
    -- A row is signed before this, or after it, and is counted accordingly.
    perform pg_advisory_xact_lock(hashtext('auth.audit_chain'));
    with named as (
        select a.created_at, a.id,
               (a.actor_id is not distinct from old.id)::integer
                   + (a.target_id is not distinct from old.id)::integer as names,
               exists (select from auth.audit_chain c where c.event_id = a.id) as signed
          from auth.audit_log a
         where a.actor_id = old.id or a.target_id = old.id
    ), blanked as (
        update auth.audit_log a
           set actor_id = nullif(a.actor_id, old.id),
               target_id = nullif(a.target_id, old.id),
               session_id = case when a.actor_id = old.id then null else a.session_id end,
               ip = case when a.actor_id = old.id then null else a.ip end,
               agent = case when a.actor_id = old.id then null else a.agent end,
               details = auth.audit_lasting(a.details)
          from named
         where a.created_at = named.created_at and a.id = named.id
    ), counted as (
        select to_char(created_at at time zone 'utc', 'YYYY-MM') as month, sum(names) as names
          from named where signed group by 1
    )
    select exists (select from named), coalesce((select jsonb_object_agg(month, names) from counted), '{}')
      into found_any, months;
    if found_any then
        insert into auth.audit_log (actor_kind, action, details)
        values ('system', 'personal_data_forgotten', jsonb_build_object('months', months));
    end if;
    return null;
end
$$;

-- Puts on record that network addresses and clients before that moment are being cleared, at most once for each moment.
create function auth.begin_audit_clearing(before timestamptz) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if before > now() - interval '1 day' then
        raise exception 'what is younger than a day is not cleared' using errcode = 'check_violation';
    end if;
    if exists (
        select from auth.audit_log a
         where a.action = 'audit_addresses_cleared' and a.created_at > now() - interval '2 days'
           and (a.details ->> 'before')::timestamptz >= begin_audit_clearing.before
    ) then
        return false;
    end if;
    insert into auth.audit_log (actor_kind, action, details)
    values ('system', 'audit_addresses_cleared', jsonb_build_object('before', begin_audit_clearing.before));
    return true;
end
$$;

-- Clears up to 5000 of them within a range that was put on record, and says how many.
create function auth.clear_audit_addresses(since timestamptz, before timestamptz) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    cleared bigint;
begin
    if not exists (
        select from auth.audit_log a
         where a.action = 'audit_addresses_cleared' and a.created_at > now() - interval '2 days'
           and (a.details ->> 'before')::timestamptz >= clear_audit_addresses.before
    ) then
        raise exception 'a clearing begins with its record' using errcode = 'check_violation';
    end if;
    update auth.audit_log a set ip = null, agent = null
      from (select l.created_at, l.id from auth.audit_log l
             where l.created_at >= clear_audit_addresses.since and l.created_at < clear_audit_addresses.before
               and (l.ip is not null or l.agent is not null)
             limit 5000) old
     where a.created_at = old.created_at and a.id = old.id;
    get diagnostics cleared = row_count;
    return cleared;
end
$$;

-- Drops the months that end by `before`, the first of a month. The chain goes on from the signed checkpoint.
create function auth.drop_audit_months(before timestamptz, seq bigint, link bytea, mac bytea) returns integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- Dropping waits for whoever reads, and everybody who writes would wait behind it: rather it is tried again later.
set lock_timeout = '500ms'
as $$
declare
    partition record;
    dropped text[] := '{}';
    leftover bigint;
begin
    if before > now() - interval '31 days' then
        raise exception 'what is younger than 31 days is not dropped' using errcode = 'check_violation';
    end if;
    for partition in
        select c.relname, to_date(substr(c.relname, 11), 'YYYY_MM') as month
          from pg_inherits i join pg_class c on c.oid = i.inhrelid
         where i.inhparent = 'auth.audit_log'::regclass and c.relname ~ '^audit_log_\d{4}_\d{2}$'
         order by c.relname
    loop
        if (partition.month + interval '1 month')::timestamp at time zone 'utc' <= before then
            execute format('drop table auth.%I', partition.relname);
            dropped := dropped || to_char(partition.month, 'YYYY-MM');
        end if;
    end loop;
    delete from auth.audit_log a where a.created_at < drop_audit_months.before;
    get diagnostics leftover = row_count;
    if dropped = '{}' and leftover = 0 then
        return 0;
    end if;
    insert into auth.audit_checkpoints (seq, link, dropped_before, mac)
    values (drop_audit_months.seq, drop_audit_months.link, drop_audit_months.before, drop_audit_months.mac)
    on conflict on constraint audit_checkpoints_pkey do update
        set dropped_before = excluded.dropped_before, mac = excluded.mac, created_at = now();
    delete from auth.audit_checkpoints k where k.seq < drop_audit_months.seq;
    insert into auth.audit_log (actor_kind, action, details)
    values ('system', 'audit_months_dropped', jsonb_build_object(
        'before', drop_audit_months.before, 'months', dropped, 'seq', drop_audit_months.seq));
    return greatest(cardinality(dropped), 1);
end
$$;

-- Removes links that a checkpoint stands for, up to 5000 at a time, and says how many.
create function auth.trim_audit_chain() returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    trimmed bigint;
begin
    delete from auth.audit_chain c
     where c.seq in (select o.seq from auth.audit_chain o
                      where o.seq <= (select max(k.seq) from auth.audit_checkpoints k)
                      order by o.seq limit 5000);
    get diagnostics trimmed = row_count;
    return trimmed;
end
$$;
