-- auth.audit_chain and auth.audit_checkpoints: the server adds links and reads them; nobody is granted a change or a
-- removal. What the chain leaves behind is removed by functions that do just that.

alter table auth.audit_chain enable row level security;
alter table auth.audit_chain force row level security;

grant select, insert on auth.audit_chain to doorcode_server;
grant execute on function auth.trim_audit_chain() to doorcode_server;

drop policy if exists server_adds on auth.audit_chain;
create policy server_adds on auth.audit_chain for insert to doorcode_server with check (true);

drop policy if exists server_reads on auth.audit_chain;
create policy server_reads on auth.audit_chain for select to doorcode_server using (true);

drop policy if exists owner on auth.audit_chain;
create policy owner on auth.audit_chain to current_user using (true) with check (true);

alter table auth.audit_checkpoints enable row level security;
alter table auth.audit_checkpoints force row level security;

grant select on auth.audit_checkpoints to doorcode_server;

drop policy if exists server_reads on auth.audit_checkpoints;
create policy server_reads on auth.audit_checkpoints for select to doorcode_server using (true);

drop policy if exists owner on auth.audit_checkpoints;
create policy owner on auth.audit_checkpoints to current_user using (true) with check (true);
