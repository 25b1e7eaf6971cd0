%% First byte of each packet that the node of the demo sends: what follows is a term, or an acknowledged write
%% as `<<Writer:16, Number:64>>'.
-define(TERM, 0).
-define(ACKNOWLEDGED, 1).
