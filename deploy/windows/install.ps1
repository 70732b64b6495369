<#
.SYNOPSIS
    Brings Windows Server 2019 or newer, Windows 10 or 11, to a running bridge.
.DESCRIPTION
    deploy/windows.md says the same by hand. Safe to run again: each step says what it
    did, or that it was done already. Start it in PowerShell as administrator:

        powershell -ExecutionPolicy Bypass -File deploy\windows\install.ps1 -Domain shop.example.kz

    Python 3.10 or newer (python.org, for all users) and git (git-scm.com) come first.
.PARAMETER Domain
    The site's name, which leads to this computer.
.PARAMETER From
    Where the code is cloned from; not needed when this script lies in a clone.
.PARAMETER Folder
    Where the code stands or will stand.
.PARAMETER Caddy
    caddy.exe (caddyserver.com), which stands in front with a certificate of its own making.
.PARAMETER Owner
    The first owner's sign-in name.
.PARAMETER NightlyUpdates
    Every night what somebody you trust has signed (run.py update).
.PARAMETER DryRun
    Only say what would be done.
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)][ValidatePattern('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')][string]$Domain,
    [string]$From = '',
    [string]$Folder = 'C:\kaspi-bridge',
    [string]$Caddy = '',
    [string]$Owner = '',
    [switch]$NightlyUpdates,
    [switch]$DryRun
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

# By number: their names are translated on a Russian Windows.
$Administrators = '*S-1-5-32-544'
$System = '*S-1-5-18'
$LocalService = '*S-1-5-19'
$NetworkService = '*S-1-5-20'
$Parent = Split-Path -Parent $Folder
$Backups = Join-Path $Parent 'kaspi-bridge-backups'
# What was put where; and what tells an old database (EPOCH_MARK).
$Kept = Join-Path $env:ProgramData 'kaspi-bridge'
$Mark = Join-Path $env:ProgramData 'kaspi-bridge-mark'
$Deploy = $PSScriptRoot
$Python = ''
$Changed = 0
$Found = 0
$Left = New-Object System.Collections.ArrayList

function Write-Title([string]$Title) {
    Write-Host ''
    Write-Host $Title
}

function Write-Found([string]$What) {
    $script:Found++
    Write-Host "  found  $What"
}

function Write-Left([string]$What) {
    [void]$script:Left.Add($What)
    Write-Host "  left   $What"
}

# Do it, or with -DryRun only say so.
function Invoke-Step([string]$What, [scriptblock]$Work) {
    $script:Changed++
    if ($DryRun) {
        Write-Host "  would  $What"
        return
    }
    & $Work
    Write-Host "  done   $What"
}

# PowerShell goes on when a program fails; we do not. Up to 7.2 it loses empty arguments
# and double quotes inside others: none has any.
function Invoke-Program([string]$Program, [string[]]$Arguments) {
    & $Program @Arguments | Out-Host
    if ($LASTEXITCODE -ne 0) {
        throw "$Program $($Arguments -join ' ') ended with $LASTEXITCODE"
    }
}

function Test-Program([string]$Program, [string[]]$Arguments) {
    # What it says on its error stream must not end us.
    $ErrorActionPreference = 'SilentlyContinue'
    & $Program @Arguments *> $null
    return $LASTEXITCODE -eq 0
}

function Invoke-Bridge([string[]]$Arguments) {
    Push-Location $Folder
    try { Invoke-Program $Python (@('run.py', 'manage') + $Arguments) }
    finally { Pop-Location }
}

function Test-Bridge([string[]]$Arguments) {
    Push-Location $Folder
    try { return Test-Program $Python (@('run.py', 'manage') + $Arguments) }
    finally { Pop-Location }
}

function New-Secret([int]$Bytes) {
    $random = New-Object byte[] $Bytes
    $source = [System.Security.Cryptography.RandomNumberGenerator]::Create()
    $source.GetBytes($random)
    $source.Dispose()
    return -join ($random | ForEach-Object { $_.ToString('x2') })
}

function Get-Setting([string]$Name) {
    $file = Join-Path $Folder '.env'
    if (-not (Test-Path $file)) { return '' }
    $lines = @([IO.File]::ReadAllLines($file) | Where-Object { $_ -match "^$Name=" })
    if ($lines.Count -eq 0) { return '' }
    return $lines[-1].Substring($Name.Length + 1)
}

# --- Steps ----------------------------------------------------------------------------

function Find-Program {
    Write-Title 'Python and git'
    $identity = New-Object Security.Principal.WindowsPrincipal([Security.Principal.WindowsIdentity]::GetCurrent())
    if (-not $DryRun -and -not $identity.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
        throw 'Start PowerShell as administrator.'
    }
    if (-not (Get-Command py.exe -ErrorAction SilentlyContinue)) {
        throw 'Install Python 3.10 or newer from python.org, "for all users", with the launcher py.'
    }
    $script:Python = (& py.exe -3 -c 'import sys; print(sys.executable if sys.version_info >= (3, 10) else str())').Trim()
    if (-not $Python) { throw 'Python 3.10 or newer is needed.' }
    if ($Python -like "$env:SystemDrive\Users\*") {
        throw "$Python is one person's: install Python for all users, or the service cannot start it."
    }
    Write-Found $Python
    if (-not (Get-Command git.exe -ErrorAction SilentlyContinue)) { throw 'Install git from git-scm.com.' }
    Write-Found (Get-Command git.exe).Source
}

function Install-Code {
    Write-Title "The code in $Folder"
    if (Test-Path (Join-Path $Folder '.git')) {
        Write-Found 'a clone'
    }
    elseif ((Test-Path $Folder) -and @(Get-ChildItem -Force $Folder).Count -gt 0) {
        throw "$Folder is there and is no clone: move it away."
    }
    else {
        $address = $From
        if (-not $address) { $address = (& git.exe -C $Deploy remote get-url origin) }
        if (-not $address) { throw 'Where is the code? -From ADDRESS' }
        Invoke-Step "cloned from $($address -replace '//[^/@]*@', '//')" {
            Invoke-Program 'git.exe' @('clone', '--quiet', $address, $Folder)
        }
    }
    # SYSTEM updates it as well: git asks whose a folder is.
    $slashes = $Folder -replace '\\', '/'
    if (@(& git.exe config --system --get-all safe.directory) -contains $slashes) {
        Write-Found 'git trusts the folder'
    }
    else {
        Invoke-Step 'git trusts the folder' {
            Invoke-Program 'git.exe' @('config', '--system', '--add', 'safe.directory', $slashes)
        }
    }
}

# The administrators own and update the code; LOCAL SERVICE runs it and writes its data.
function Grant-Right {
    Write-Title 'Rights: administrators own the code, LOCAL SERVICE writes only its data'
    $data = @('var', 'releases\state') | ForEach-Object { Join-Path $Folder $_ }
    $data += $Backups, $Mark
    $done = Join-Path $Kept 'rights.txt'
    $wanted = "1 $Folder $Backups"
    if ((Test-Path $done) -and ((Get-Content $done) -eq $wanted) -and -not ($data | Where-Object { -not (Test-Path $_) })) {
        Write-Found 'they are as they should be'
        return
    }
    Invoke-Step "$Folder, $Backups" {
        foreach ($each in $data) { [void](New-Item -ItemType Directory -Force $each) }
        [void](New-Item -ItemType Directory -Force $Kept)
        # What stands at the root of a disk, or in ProgramData, others may add to.
        Invoke-Program 'icacls.exe' @($Kept, '/inheritance:r', '/grant:r', "${Administrators}:(OI)(CI)F", "${System}:(OI)(CI)F", "${NetworkService}:(OI)(CI)RX", '/q')
        Invoke-Program 'icacls.exe' @($Folder, '/inheritance:r', '/grant:r', "${Administrators}:(OI)(CI)F", "${System}:(OI)(CI)F", "${LocalService}:(OI)(CI)RX", '/q')
        foreach ($each in $data) {
            Invoke-Program 'icacls.exe' @($each, '/inheritance:r', '/grant:r', "${Administrators}:(OI)(CI)F", "${System}:(OI)(CI)F", "${LocalService}:(OI)(CI)M", '/q')
        }
        Set-Content -Path $done -Value $wanted -Encoding ASCII
    }
}

function Write-Setting {
    Write-Title "Settings in $Folder\.env"
    $file = Join-Path $Folder '.env'
    if (Test-Path $file) {
        Write-Found 'it is there, and stays as it is'
        return
    }
    Invoke-Step 'a new one, with a SECRET_KEY and a login for the price list' {
        $told = @{
            SECRET_KEY           = New-Secret 40
            ALLOWED_HOSTS        = $Domain
            CSRF_TRUSTED_ORIGINS = "https://$Domain"
            FEED_USER            = 'kaspi'
            FEED_PASSWORD        = New-Secret 12
            EPOCH_MARK           = "$Mark\epoch.json" -replace '\\', '/'
        }
        foreach ($name in @('ALSTYLE_TOKEN', 'KASPI_TOKEN', 'KASPI_MERCHANT_ID', 'KASPI_COMPANY')) {
            $told[$name] = [Environment]::GetEnvironmentVariable($name)
        }
        $lines = foreach ($line in [IO.File]::ReadAllLines((Join-Path $Folder '.env.example'))) {
            if ($line -match '^#? ?([A-Z][A-Z0-9_]*)=' -and $told[$Matches[1]]) { "$($Matches[1])=$($told[$Matches[1]])" }
            else { $line }
        }
        # Without a byte order mark: the first setting's name would begin with it.
        [IO.File]::WriteAllLines("$file.new", [string[]]$lines, (New-Object Text.UTF8Encoding($false)))
        Move-Item "$file.new" $file
    }
}

function Install-Environment {
    Write-Title "Python's packages, the pages' files, the tables"
    $current = Join-Path $Folder 'releases\state\current'
    $done = Join-Path $Kept 'prepared.txt'
    if ((Test-Path $current) -and ((Get-Content $current) -ne '.')) {
        Write-Found 'an update brought what its release needs'
    }
    elseif ($DryRun) {
        Invoke-Step '.venv and staticfiles' { $null }
        return
    }
    else {
        $revision = (& git.exe -C $Folder rev-parse HEAD)
        if ((Test-Path $done) -and ((Get-Content $done) -eq $revision) -and (Test-Path (Join-Path $Folder '.venv\Scripts\python.exe'))) {
            Write-Found ".venv and staticfiles, for $($revision.Substring(0, 12))"
        }
        else {
            Invoke-Step '.venv and staticfiles (takes some minutes)' {
                Invoke-Bridge @('collectstatic', '--noinput', '-v', '0')
                Set-Content -Path $done -Value $revision -Encoding ASCII
            }
        }
    }
    if (Test-Bridge @('migrate', '--check', '--skip-checks')) {
        Write-Found 'the tables are up to date'
    }
    else {
        Invoke-Step 'the tables, roles and schedules' {
            Invoke-Bridge @('migrate', '--noinput', '-v', '0', '--skip-checks')
            Invoke-Bridge @('sync_roles', '--skip-checks')
            Invoke-Bridge @('sync_schedules', '--skip-checks')
        }
    }
}

function Test-Setting {
    if (-not (Test-Path (Join-Path $Folder '.env'))) { return $false }
    return Test-Bridge @('check', '--tag', 'bridge')
}

function Add-Owner {
    Write-Title 'The first owner'
    if ($DryRun) {
        Invoke-Step $(if ($Owner) { $Owner } else { 'a name given by -Owner' }) { $null }
        return
    }
    if (-not (Test-Setting)) {
        Write-Left "fill in $Folder\.env (py run.py manage check --tag bridge says what), then start this again"
        return
    }
    $code = "import sys; from django.contrib.auth.models import User; sys.exit(not User.objects.filter(is_active=True, groups__name='owner').exists())"
    if (Test-Bridge @('shell', '--no-imports', '-c', $code)) {
        Write-Found 'there is one'
    }
    elseif ($Owner) {
        Invoke-Step $Owner { Invoke-Bridge @('create_staff', $Owner, '--role', 'owner') }
    }
    else {
        Write-Left "the first owner: cd $Folder; py run.py manage create_staff NAME --role owner"
    }
}

# A task from its XML; nothing when the same was registered before.
function Register-Bridge([string]$Name, [string]$File) {
    $xml = [IO.File]::ReadAllText((Join-Path $Deploy $File))
    $xml = $xml.Replace('{PYTHON}', [Security.SecurityElement]::Escape($Python))
    $xml = $xml.Replace('{FOLDER}', [Security.SecurityElement]::Escape($Folder))
    $kept = Join-Path $Kept $File
    $task = Get-ScheduledTask -TaskName $Name -ErrorAction SilentlyContinue
    if ($task -and (Test-Path $kept) -and ([IO.File]::ReadAllText($kept) -eq $xml)) {
        Write-Found "the task $Name"
        return
    }
    Invoke-Step "the task $Name" {
        [void](Register-ScheduledTask -TaskName $Name -Xml $xml -Force)
        [void](New-Item -ItemType Directory -Force $Kept)
        [IO.File]::WriteAllText($kept, $xml)
    }
}

function Start-Bridge {
    Write-Title 'Tasks'
    Register-Bridge 'kaspi-bridge' 'serve.xml'
    if ($NightlyUpdates) { Register-Bridge 'kaspi-bridge-update' 'update.xml' }
    if ($DryRun) { return }
    if (-not (Test-Setting)) {
        Write-Left 'the bridge is started when .env is filled in'
    }
    elseif ((Get-ScheduledTask -TaskName 'kaspi-bridge').State -eq 'Running') {
        Write-Found 'it runs, and will after a start of the computer'
    }
    else {
        Invoke-Step 'it runs, and will after a start of the computer' { Start-ScheduledTask -TaskName 'kaspi-bridge' }
    }
}

function Install-Front {
    Write-Title "Caddy for $Domain, and the firewall"
    if (-not $Caddy) {
        Write-Left 'nothing stands in front: get caddy.exe from caddyserver.com and start this again with -Caddy, or use IIS'
        return
    }
    if (-not (Test-Path $Caddy)) { throw "$Caddy is not there." }
    $Caddy = (Resolve-Path $Caddy).Path
    $file = Join-Path $Kept 'Caddyfile'
    $text = [IO.File]::ReadAllText((Join-Path $Deploy 'Caddyfile')).Replace('bridge.example', $Domain)
    if (Test-Path $file) {
        Write-Found "$file, which stays as it is"
    }
    else {
        Invoke-Step $file {
            [void](New-Item -ItemType Directory -Force $Kept)
            [IO.File]::WriteAllText($file, $text)
        }
    }
    if (Get-Service -Name 'caddy' -ErrorAction SilentlyContinue) {
        Write-Found 'the service caddy'
    }
    else {
        Invoke-Step 'the service caddy' {
            Invoke-Program $Caddy @('validate', '--config', $file)
            [void](New-Service -Name 'caddy' -DisplayName 'Caddy' -StartupType Automatic -BinaryPathName "`"$Caddy`" run --config `"$file`"")
            # Neither the system's rights nor the bridge's: its only tie is the port.
            Invoke-Program 'sc.exe' @('config', 'caddy', 'obj=', 'NT AUTHORITY\NetworkService')
            Start-Service -Name 'caddy'
        }
    }
    if (Get-NetFirewallRule -Name 'kaspi-bridge' -ErrorAction SilentlyContinue) {
        Write-Found '80 and 443 are let in'
    }
    else {
        Invoke-Step '80 and 443 are let in' {
            [void](New-NetFirewallRule -Name 'kaspi-bridge' -DisplayName 'Kaspi bridge: Caddy' -Direction Inbound -Protocol TCP -LocalPort 80, 443 -Action Allow)
        }
    }
}

function Write-End {
    Write-Host ''
    Write-Host "changed: $Changed; found done: $Found; left: $($Left.Count)"
    foreach ($each in $Left) { Write-Host "  - $each" }
    if ($DryRun) { return }
    Write-Host ''
    Write-Host "The admin:  https://$Domain/admin/"
    Write-Host ''
    Write-Host "For Kaspi's cabinet, where it asks for a link to the price list:"
    Write-Host "  link      https://$Domain/kaspi_price_list.xml"
    Write-Host "  login     $(Get-Setting 'FEED_USER')"
    Write-Host "  password  $(Get-Setting 'FEED_PASSWORD')"
    Write-Host ''
    Write-Host "How it is:  cd $Folder; py run.py manage doctor"
    Write-Host "Updates:    cd $Folder; py run.py update"
    Write-Host "Keep $Folder\.env elsewhere as well: no backup holds the secrets."
}

Find-Program
Install-Code
Grant-Right
Write-Setting
Install-Environment
Add-Owner
Start-Bridge
Install-Front
Write-End
