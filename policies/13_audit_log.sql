-- auth.audit_log: append-only. The server may add rows and read them; nobody is granted a change or a removal.

alter table auth.audit_log enable row level security;
alter table auth.audit_log force row level security;

grant select, insert on auth.audit_log to doorcode_server;
-- Partitions, addresses that were kept long enough, months that were: functions of the owner, each bound to just that.
grant execute on function auth.prepare_audit_partitions(integer), auth.audit_lasting(jsonb),
    auth.begin_audit_clearing(timestamptz), auth.clear_audit_addresses(timestamptz, timestamptz),
    auth.drop_audit_months(timestamptz, bigint, bytea, bytea)
    to doorcode_server;

drop policy if exists server_adds on auth.audit_log;
create policy server_adds on auth.audit_log for insert to doorcode_server with check (true);

drop policy if exists server_reads on auth.audit_log;
create policy server_reads on auth.audit_log for select to doorcode_server using (true);

drop policy if exists owner on auth.audit_log;
create policy owner on auth.audit_log to current_user using (true) with check (true);
