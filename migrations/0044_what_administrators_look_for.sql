-- Lists and figures that administrators ask for, over all sites and libraries.

-- Figures count the events of a kind by hour and site, from the index alone; a search for a kind of event finds the newest.
create index audit_log_action_idx on auth.audit_log (action, created_at) include (site);

-- What waits for a decision, at whichever library.
create index library_access_requests_status_idx on public.library_access_requests (status, created_at desc, id desc);
